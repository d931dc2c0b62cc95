import { ref } from 'vue'

/**
 * The server's time on this screen. Village PCs have wrong clocks, so every clock here runs on the offset to the server,
 * taken from the Date header (±1 s) of the quickest answer lately, and refined by the feed's own instants.
 */
let offsetMs = 0
let bestTripMs = Infinity
let bestAt = -Infinity
const KEEP_BEST_MS = 10 * 60_000

export function noteServerDate(header: string | null, sentAt: number, gotAt: number) {
  if (!header) return
  const second = Date.parse(header)
  if (Number.isNaN(second)) return
  const tripMs = gotAt - sentAt
  if (tripMs > bestTripMs && gotAt - bestAt < KEEP_BEST_MS) return
  bestTripMs = tripMs
  bestAt = gotAt
  // the header is cut to the whole second: its middle is the best guess
  const guess = second + 500 - (sentAt + gotAt) / 2
  offsetMs = Math.abs(guess) < 1_500 ? 0 : guess
}

export const serverNow = () => Date.now() + offsetMs

/** Ticks twice a second, on the server's time; components that show a clock read it. */
export const now = ref(serverNow())
setInterval(() => { now.value = serverNow() }, 500)

export const instant = (iso: string | null | undefined): number | null => {
  if (!iso) return null
  const ms = Date.parse(iso)
  return Number.isNaN(ms) ? null : ms
}
/** Seconds from an instant to now (negative: still to come), or null. */
export const since = (iso: string | null | undefined, at = now.value): number | null => {
  const ms = instant(iso)
  return ms === null ? null : (at - ms) / 1000
}

const two = (n: number) => String(n).padStart(2, '0')
/** 0:37, 12:05, 1:02:03; the sign is a true minus. */
export function clock(seconds: number): string {
  const whole = Math.floor(Math.abs(seconds))
  const h = Math.floor(whole / 3600), m = Math.floor(whole / 60) % 60, s = whole % 60
  return (seconds < 0 && whole > 0 ? '−' : '') + (h ? `${h}:${two(m)}:${two(s)}` : `${m}:${two(s)}`)
}
/** Local wall time, hh:mm:ss or hh:mm. */
export function wall(iso: string | number | null | undefined, seconds = true): string {
  const ms = typeof iso === 'number' ? iso : instant(iso)
  if (ms === null || ms === undefined) return ''
  const d = new Date(ms)
  return `${two(d.getHours())}:${two(d.getMinutes())}${seconds ? `:${two(d.getSeconds())}` : ''}`
}
/** 14:30 today, 11-26 14:30 on another day (in the person's own time). */
export function dayTime(iso: string | null | undefined, at = now.value): string {
  const ms = instant(iso)
  if (ms === null || iso === null || iso === undefined) return ''
  const d = new Date(ms)
  return daysAgo(iso, at) === 0 ? wall(ms, false) : `${two(d.getMonth() + 1)}-${two(d.getDate())} ${wall(ms, false)}`
}
/** 0 today, 1 yesterday, … in local days. */
export function daysAgo(iso: string, at = now.value): number {
  const day = (ms: number) => { const d = new Date(ms); return Date.UTC(d.getFullYear(), d.getMonth(), d.getDate()) / 86_400_000 }
  return day(at) - day(instant(iso) ?? at)
}
