/** The clinics as the coordinator looks at them: what needs a telephone call first. */
import type { Site } from '../api/types'
import { instant, serverNow } from '../shared/time'

export type ClinicState = 'waiting' | 'silent' | 'notLive' | 'live'
export type Filter = 'all' | 'silent' | 'notLive' | 'sent'

/** A device beats each minute: after three without one its PC is off or its line is cut. */
const GONE_MS = 3 * 60_000
/** An ECG that a device holds for so long is not on its way: it stands somewhere, and nobody reads it. */
const HELD_MS = 5 * 60_000

/** Whether its devices beat; null where none ever did (an older way of sending). */
export function onLine(site: Site, now = serverNow()): boolean | null {
  const heard = instant(site.heard_at)
  return heard === null ? null : now - heard < GONE_MS
}
/** What waits there unread comes first. Only a live clinic can be silent: before, nobody expects it to send. */
export function stateOf(site: Site, now = serverNow()): ClinicState {
  const since = instant(site.waiting_since_at)
  if (site.waiting > 0 && since !== null && now - since >= HELD_MS) return 'waiting'
  return site.silent_at ? 'silent' : site.live_at ? 'live' : 'notLive'
}
/** What the wall and the soft pulse tell: equipment that needs a human. */
export const troubled = (site: Site, now = serverNow()) => stateOf(site, now) === 'waiting' || stateOf(site, now) === 'silent'
const RANK: Record<ClinicState, number> = { waiting: 0, silent: 1, live: 2, notLive: 3 }

export const passes = (site: Site, filter: Filter, now = serverNow()): boolean =>
  filter === 'all' || (filter === 'sent' ? site.sent_today > 0 : filter === 'silent' ? troubled(site, now) : stateOf(site, now) === filter)

const sinceOf = (site: Site) => site.waiting_since_at ?? site.silent_at ?? ''
/** What is in trouble first, the longest on top; then by township and name. */
export function arranged(sites: readonly Site[], filter: Filter, words = '', now = serverNow()): Site[] {
  const asked = words.trim().toLowerCase()
  return sites
    .filter(s => passes(s, filter, now) && (!asked || `${s.township} ${s.name}`.toLowerCase().includes(asked)))
    .sort((a, b) => RANK[stateOf(a, now)] - RANK[stateOf(b, now)] || (troubled(a, now) ? sinceOf(a).localeCompare(sinceOf(b)) : 0) || a.township.localeCompare(b.township, 'zh') || a.name.localeCompare(b.name, 'zh'))
}

const DAY_S = 86_400
/** How often it sends, as a person says it: so many a day, or one in so many days. */
export function usual(every_s: number | null): { perDay: number } | { days: number } | null {
  if (!every_s) return null
  return every_s <= DAY_S ? { perDay: Math.round(DAY_S / every_s) } : { days: Math.round(every_s / DAY_S) }
}
