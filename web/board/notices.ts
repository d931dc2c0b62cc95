/** What the equipment's soft pulse is for: a doctor's slot that has nobody within a day, and clinics that fell silent. */
import type { Gap, Rosters, Site } from '../api/types'
import { instant } from '../shared/time'
import { stateOf, troubled } from './clinics'

const SOON_MS = 86_400_000
export interface Notices { gaps: Gap[]; silent: Site[] }

export const gapKey = (gap: Gap) => `gap/${gap.slot}/${gap.from_at}`
/** The same trouble keeps its name: a silence by its beginning; what waits by its clinic, until it is sent. */
export const siteKey = (site: Site) => (site.silent_at ? `silent/${site.id}/${site.silent_at}` : `waiting/${site.id}`)

/** What nobody has noted yet; the longest silence first. */
export function noticesOf(rosters: Rosters | null, sites: readonly Site[], noted: ReadonlySet<string>, now: number): Notices {
  return {
    gaps: (rosters?.gaps ?? []).filter(g => (instant(g.from_at) ?? 0) < now + SOON_MS && !noted.has(gapKey(g))),
    silent: sites.filter(s => troubled(s, now) && !noted.has(siteKey(s))).sort((a, b) => Number(stateOf(b, now) === 'waiting') - Number(stateOf(a, now) === 'waiting') || (a.silent_at ?? '').localeCompare(b.silent_at ?? '')),
  }
}
export const keysOf = (notices: Notices): string[] => [...notices.gaps.map(gapKey), ...notices.silent.map(siteKey)]

const STORE = 'ecgnet.noted'
const MOST_KEPT = 500
export function notedBefore(): Set<string> {
  try { return new Set(JSON.parse(localStorage.getItem(STORE) ?? '[]') as string[]) } catch { return new Set() }
}
export function keepNoted(noted: ReadonlySet<string>) {
  try { localStorage.setItem(STORE, JSON.stringify([...noted].slice(-MOST_KEPT))) } catch { /* this page only */ }
}
