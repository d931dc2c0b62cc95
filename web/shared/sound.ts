import { computed, ref } from 'vue'
import { now, serverNow } from './time'

/**
 * Alarm sounds after the priorities of SCREENS.md §1 (after IEC 60601-1-8): pulses of 150 ms, 100 ms apart, C4 = 262 Hz with
 * harmonics, made with WebAudio. One sound at a time, the highest priority wins. A browser lets a page sound only after a
 * click on it: 接班 is that click, and plays the test tone so that a person has heard it.
 */
export type Priority = 'high' | 'medium' | 'low'
export interface Pulse { atMs: number; hz: number }

const C = 262, E = 330, G = 392, HIGH_C = 523
export const PULSE_MS = 150
const STEP_MS = PULSE_MS + 100
/** The dash in c e g – g C, and the breath between the two halves of the burst. */
const DASH_MS = 250, BREATH_MS = 500, TONE_GAP_MS = 800

function burst(notes: readonly number[], fromMs: number, dashAfter = Infinity): Pulse[] {
  return notes.map((hz, i) => ({ atMs: fromMs + i * STEP_MS + (i >= dashAfter ? DASH_MS : 0), hz }))
}
const HALF = [C, E, G, G, HIGH_C]
const HALF_MS = HALF.length * STEP_MS + DASH_MS
export const PATTERNS: Record<Priority, { pulses: Pulse[]; restMs: number }> = {
  high: { pulses: [...burst(HALF, 0, 3), ...burst(HALF, HALF_MS + BREATH_MS, 3)], restMs: 5_000 },
  medium: { pulses: burst([C, E, G], 0), restMs: 20_000 },
  low: { pulses: burst([C], 0), restMs: 60_000 },
}
export const lengthMs = (priority: Priority) => PATTERNS[priority].pulses.at(-1)!.atMs + PULSE_MS

const QUIET = 0.35, LOUD = 1, GROWS_AFTER_S = 30, FULL_AFTER_S = 60
/** A high alarm that nobody answers grows louder from 30 s on. */
export function volume(priority: Priority, unansweredS: number): number {
  if (priority === 'low') return QUIET / 2
  if (priority === 'medium' || unansweredS <= GROWS_AFTER_S) return QUIET
  return Math.min(LOUD, QUIET + ((LOUD - QUIET) * (unansweredS - GROWS_AFTER_S)) / (FULL_AFTER_S - GROWS_AFTER_S))
}

export const SILENCE_MS = 2 * 60_000
const silentUntil = ref(0)
/** Seconds of silence left on this device; the ladder goes on meanwhile. */
export const silentS = computed(() => Math.max(0, Math.ceil((silentUntil.value - now.value) / 1000)))
export function silence() {
  silentUntil.value = serverNow() + SILENCE_MS
  stopNow()
  if (playing) timer = window.setTimeout(round, SILENCE_MS)
}

/** `off` until 接班, `blocked` when the browser refused, `on` when a tone could be heard. */
export const soundState = ref<'off' | 'blocked' | 'on'>('off')

let context: AudioContext | null = null
let out: GainNode | null = null
let wave: PeriodicWave | null = null
let playing: { priority: Priority; startedAt: number } | null = null
let timer = 0

function follow() {
  if (soundState.value !== 'off') soundState.value = context?.state === 'running' ? 'on' : 'blocked'
}

function play(pulses: readonly Pulse[], loud: number) {
  if (!context || !out || !wave || context.state !== 'running') return
  const start = context.currentTime + 0.03
  for (const pulse of pulses) {
    const at = start + pulse.atMs / 1000, end = at + PULSE_MS / 1000
    const tone = context.createOscillator(), shape = context.createGain()
    tone.setPeriodicWave(wave)
    tone.frequency.value = pulse.hz
    shape.gain.setValueAtTime(0, at)
    shape.gain.linearRampToValueAtTime(loud, at + 0.015)
    shape.gain.setValueAtTime(loud, end - 0.03)
    shape.gain.linearRampToValueAtTime(0, end)
    tone.connect(shape).connect(out)
    tone.start(at)
    tone.stop(end + 0.01)
  }
}

/** Call from the page's own click. Plays the test tone; true when the browser let it sound. */
export async function startDuty(): Promise<boolean> {
  try {
    if (!context) {
      context = new AudioContext()
      out = context.createGain()
      out.connect(context.destination)
      wave = context.createPeriodicWave(new Float32Array(7), new Float32Array([0, 1, 0.7, 0.5, 0.35, 0.25, 0.15]))
      context.onstatechange = follow
    }
    await context.resume()
  } catch { /* no audio device, or refused: said on the screen */ }
  soundState.value = context?.state === 'running' ? 'on' : 'blocked'
  if (soundState.value === 'on') {
    play(PATTERNS.medium.pulses, QUIET)
    // what already rings follows the test tone at once
    if (playing) { clearTimeout(timer); timer = window.setTimeout(round, lengthMs('medium') + TONE_GAP_MS) }
  }
  return soundState.value === 'on'
}
export const testTone = () => play(PATTERNS.medium.pulses, QUIET)

function stopNow() {
  clearTimeout(timer)
  if (!context || !out) return
  // a fresh output cuts what was already scheduled
  out.disconnect()
  out = context.createGain()
  out.connect(context.destination)
}

function round() {
  clearTimeout(timer)
  if (!playing) return
  const { priority, startedAt } = playing
  if (serverNow() >= silentUntil.value) play(PATTERNS[priority].pulses, volume(priority, (serverNow() - startedAt) / 1000))
  timer = window.setTimeout(round, lengthMs(priority) + PATTERNS[priority].restMs)
}

/** What should be heard now; null is quiet. `startedAt` is the server's instant of the oldest unanswered alert. */
export function alarm(priority: Priority | null, startedAt = serverNow()) {
  if (priority === playing?.priority) { if (playing) playing.startedAt = startedAt; return }
  stopNow()
  playing = priority ? { priority, startedAt } : null
  if (playing) round()
}
/** A new RED ends the silence: it was given for what was known then. */
export function endSilence() { if (silentUntil.value > serverNow()) { silentUntil.value = 0; round() } }
