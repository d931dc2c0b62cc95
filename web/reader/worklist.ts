/** The worklist as pure functions: order, what an event changes at once, and what may move while someone points at it. */
import type { Alert, Colour, Evidence, Item, Say, Who } from '../api/types'
import type { FeedEvent } from '../feed/protocol'
import { instant } from '../shared/time'

/** Unread stands directly under ORANGE (CLINICAL.md §5.6). */
const RANK: Record<Colour | 'UNREAD', number> = { RED: 0, ORANGE: 1, UNREAD: 2, YELLOW: 3, GREEN: 4 }
export const rank = (item: Item) => RANK[item.colour ?? 'UNREAD']
export const toDecide = (item: Item) => item.state === 'open' || item.state === 'acknowledged'
export const unanswered = (item: Item) => item.state === 'open' && item.alert !== null && item.alert.acknowledged_at === null
/** An alert may be RED before the analysis has given the case its colour (the emergency button). */
export const critical = (item: Item) => item.colour === 'RED' || item.alert?.colour === 'RED'

const time = (iso: string | null) => instant(iso) ?? Infinity
/** By urgency, then by time left, then the older first. */
export function before(a: Item, b: Item): number {
  return rank(a) - rank(b) || time(a.due_at) - time(b.due_at) || time(a.opened_at) - time(b.opened_at) || (a.case < b.case ? -1 : 1)
}

/** Of several unanswered REDs the one that has rung longest stands in the bar. */
export const unansweredRed = (items: readonly Item[]) => items.filter(i => unanswered(i) && critical(i)).sort((a, b) => time(a.alert!.raised_at) - time(b.alert!.raised_at))
export const unansweredOrange = (items: readonly Item[]) => items.filter(i => unanswered(i) && !critical(i) && i.alert!.colour === 'ORANGE')

export interface Raised { exam?: string; site?: string; site_name?: string; township?: string; phone?: string; colour?: Colour; reason?: Say; evidence?: Evidence[]; symptoms?: string[]; alert?: string; next_step_at?: string | null }

/** The alert's own data is enough for a row and a bar: neither waits for the next fetch of the list. */
function raised(items: readonly Item[], event: FeedEvent): Item[] {
  const data = event.data as Raised, which = event.case!
  const alert: Alert = { id: data.alert ?? which, colour: data.colour ?? 'RED', reason: data.reason ?? null, evidence: data.evidence ?? null, raised_at: event.at, step: 0, next_step_at: data.next_step_at ?? null, acknowledged_at: null }
  const known = items.find(i => i.case === which)
  if (known) return items.map(i => (i === known ? { ...i, colour: data.colour ?? i.colour, reason: data.reason ?? i.reason, state: 'open', exam: data.exam ?? i.exam, seq: event.seq, alert } : i))
  return [...items, {
    case: which, colour: data.colour ?? null, reason: data.reason ?? null, state: 'open', owner: null, site: data.site ?? '', site_name: data.site_name ?? '',
    township: data.township ?? null, phone: data.phone ?? null, patient: null, symptoms: data.symptoms ?? [], grade: null, exam: data.exam ?? '', seq: event.seq, opened_at: event.at, due_at: null, alert,
  }]
}

export function applyEvent(items: readonly Item[], event: FeedEvent): Item[] {
  if (event.case === null) return [...items]
  const patch = (change: (item: Item) => Item) => items.map(i => (i.case === event.case ? { ...change(i), seq: Math.max(i.seq, event.seq) } : i))
  const data = event.data as { step?: number; next_step_at?: string | null; owner?: Who; at?: string }
  switch (event.kind) {
    case 'alert.raised': return raised(items, event)
    case 'alert.climbed': return patch(i => ({ ...i, alert: i.alert && { ...i.alert, step: data.step ?? i.alert.step, next_step_at: data.next_step_at ?? null } }))
    case 'alert.acknowledged': return patch(i => ({ ...i, state: i.state === 'open' ? 'acknowledged' : i.state, owner: data.owner ?? i.owner, alert: i.alert && { ...i.alert, acknowledged_at: data.at ?? event.at } }))
    default: return patch(i => i)
  }
}

export interface Arranged { shown: string[]; waiting: number }
/**
 * A list never re-sorts under a pointer. While it is held, rows keep their places, new ones wait to be called in, and only
 * a RED enters, at the top. What was decided leaves at once: its row would lie.
 */
export function arrange(shown: readonly string[], items: readonly Item[], held: boolean): Arranged {
  const sorted = [...items].sort(before)
  if (!held) return { shown: sorted.map(i => i.case), waiting: 0 }
  const present = new Set(items.map(i => i.case)), placed = new Set(shown)
  const fresh = sorted.filter(i => !placed.has(i.case))
  const reds = fresh.filter(critical).map(i => i.case)
  return { shown: [...reds, ...shown.filter(c => present.has(c))], waiting: fresh.length - reds.length }
}
