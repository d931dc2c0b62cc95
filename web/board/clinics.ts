/** The clinics as the coordinator looks at them: what needs a telephone call first. */
import type { Site } from '../api/types'

export type ClinicState = 'silent' | 'notLive' | 'live'
export type Filter = 'all' | 'silent' | 'notLive' | 'sent'

/** Only a live clinic can be silent: before, nobody expects it to send. */
export const stateOf = (site: Site): ClinicState => (site.silent_at ? 'silent' : site.live_at ? 'live' : 'notLive')
const RANK: Record<ClinicState, number> = { silent: 0, live: 1, notLive: 2 }

export const passes = (site: Site, filter: Filter): boolean =>
  filter === 'all' || (filter === 'sent' ? site.sent_today > 0 : stateOf(site) === filter)

/** Silent ones first, the longest silence on top; then by township and name. */
export function arranged(sites: readonly Site[], filter: Filter, words = ''): Site[] {
  const asked = words.trim().toLowerCase()
  return sites
    .filter(s => passes(s, filter) && (!asked || `${s.township} ${s.name}`.toLowerCase().includes(asked)))
    .sort((a, b) => RANK[stateOf(a)] - RANK[stateOf(b)] || (a.silent_at ?? '').localeCompare(b.silent_at ?? '') || a.township.localeCompare(b.township, 'zh') || a.name.localeCompare(b.name, 'zh'))
}

const DAY_S = 86_400
/** How often it sends, as a person says it: so many a day, or one in so many days. */
export function usual(every_s: number | null): { perDay: number } | { days: number } | null {
  if (!every_s) return null
  return every_s <= DAY_S ? { perDay: Math.round(DAY_S / every_s) } : { days: Math.round(every_s / DAY_S) }
}
