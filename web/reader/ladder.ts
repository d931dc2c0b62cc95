import type { Item, Rosters, RosterSlot } from '../api/types'
import { clock, instant } from '../shared/time'
import { t } from '../words'

/** The RED ladder of CLINICAL.md §5.7, as the screens name it. The server climbs; these are only the words and the places. */
export const RUNGS = [
  { atS: 0, slot: 'first', word: 'slot_first' },
  { atS: 60, slot: 'backup', word: 'slot_backup' },
  { atS: 120, slot: 'coordinator', word: 'step_call' },
  { atS: 180, slot: 'chief', word: 'slot_chief' },
  { atS: 300, slot: 'director', word: 'step_all' },
] as const

export const personIn = (rosters: Rosters | null, slot: RosterSlot['slot']): string | null => rosters?.now.find(r => r.slot === slot)?.person.name ?? null

/** Who is called at `next_step_at`: the rung by its time since the alert, however the server numbers its steps. */
export function nextRung(item: Item, rosters: Rosters | null): string {
  const from = instant(item.alert?.raised_at), to = instant(item.alert?.next_step_at)
  if (from === null || to === null) return ''
  const seconds = (to - from) / 1000
  const rung = [...RUNGS].reverse().find(r => seconds >= r.atS - 15 && r.atS > 0) ?? RUNGS[1]
  if (seconds > 315) return t('step_everyone')
  return [t(rung.word), rung.slot === 'backup' || rung.slot === 'chief' ? personIn(rosters, rung.slot) : null].filter(Boolean).join(' ')
}

/** 还有 0:23，将呼叫二线 何立 */
export function rungWords(item: Item, rosters: Rosters | null, now: number): string {
  const to = instant(item.alert?.next_step_at)
  if (to === null) return ''
  const who = nextRung(item, rosters), left = (to - now) / 1000
  return left > 0 ? t('nextRung', { time: clock(left), who }) : t('rungNow', { who })
}
