/** The roster's gaps as words, and as parts of the week's bar. */
import type { Gap, Slot } from '../api/types'
import { dayTime, instant } from '../shared/time'
import { t } from '../words'

export const WEEK_MS = 7 * 86_400_000
/** The doctors: without one of them the ladder loses a rung, so their gaps are told. */
export const WATCHED: readonly Slot[] = ['first', 'backup']

export const gapWords = (gap: Gap): string =>
  gap.to_at === null ? t('gapOpen', { from: dayTime(gap.from_at) }) : t('gapFrom', { from: dayTime(gap.from_at), to: dayTime(gap.to_at, instant(gap.from_at) ?? undefined) })

/** Where the gaps lie on a bar that begins now and is a week long, in percent. */
export function segmentsOf(gaps: readonly Gap[], now: number): { left: number; width: number }[] {
  const at = (ms: number) => Math.min(100, Math.max(0, ((ms - now) / WEEK_MS) * 100))
  return gaps.map(gap => {
    const left = at(instant(gap.from_at) ?? now), right = gap.to_at === null ? 100 : at(instant(gap.to_at) ?? now)
    return { left, width: Math.max(0, right - left) }
  })
}

const two = (n: number) => String(n).padStart(2, '0')
/** An instant as a `datetime-local` field has it: the person's own time, to the minute. */
export function fieldTime(ms: number): string {
  const d = new Date(ms)
  return `${d.getFullYear()}-${two(d.getMonth() + 1)}-${two(d.getDate())}T${two(d.getHours())}:${two(d.getMinutes())}`
}
/** Back: an instant with its zone, or null where the field is not filled. */
export function instantOf(field: string): string | null {
  const ms = field ? new Date(field).getTime() : NaN
  return Number.isNaN(ms) ? null : new Date(ms).toISOString()
}
