import { describe, expect, test, vi } from 'vitest'
import { PATTERNS, PULSE_MS, SILENCE_MS, alarm, endSilence, lengthMs, silence, startDuty, volume } from './sound'

const gaps = (atMs: number[]) => atMs.slice(1).map((at, i) => at - atMs[i]! - PULSE_MS)

describe('alarm sounds', () => {
  test('high is ten pulses, c e g – g C twice', () => {
    expect(PATTERNS.high.pulses.map(p => p.hz)).toEqual([262, 330, 392, 392, 523, 262, 330, 392, 392, 523])
    const between = gaps(PATTERNS.high.pulses.map(p => p.atMs))
    expect(between[0]).toBe(100)
    expect(between[2]).toBeGreaterThan(100)
    expect(between[4]).toBeGreaterThan(between[2]!)
  })
  test('medium is three, low is one', () => {
    expect(PATTERNS.medium.pulses.map(p => p.hz)).toEqual([262, 330, 392])
    expect(PATTERNS.low.pulses).toHaveLength(1)
  })
  test('repeats: 5 s, 20 s, and never sooner than 60 s for equipment', () => {
    expect([PATTERNS.high.restMs, PATTERNS.medium.restMs]).toEqual([5_000, 20_000])
    expect(PATTERNS.low.restMs).toBeGreaterThanOrEqual(60_000)
    expect(lengthMs('high')).toBeLessThan(5_000)
  })
  test('an unanswered high alarm grows from 30 s on, others do not', () => {
    expect(volume('high', 30)).toBe(volume('high', 0))
    expect(volume('high', 45)).toBeGreaterThan(volume('high', 30))
    expect(volume('high', 500)).toBe(1)
    expect(volume('medium', 500)).toBe(volume('medium', 0))
  })
})

describe('an alarm that is silenced', () => {
  class Param { value = 0; setValueAtTime() {} linearRampToValueAtTime() {} }
  const started: number[] = []
  class Node { gain = new Param(); frequency = new Param(); connect<T>(to: T) { return to } disconnect() {} setPeriodicWave() {} start(at: number) { started.push(at) } stop() {} }
  class FakeAudio {
    state = 'suspended'; currentTime = 0; destination = new Node(); onstatechange: (() => void) | null = null
    resume() { this.state = 'running'; return Promise.resolve() }
    createGain() { return new Node() } createOscillator() { return new Node() } createPeriodicWave() { return {} }
  }
  const heard = () => started.splice(0).length

  test('comes back by itself after two minutes, and at once for a new RED', async () => {
    vi.useFakeTimers()
    vi.stubGlobal('AudioContext', FakeAudio)
    expect(await startDuty()).toBe(true)
    expect(heard()).toBe(3) // the test tone
    alarm('high')
    expect(heard()).toBe(10)
    vi.advanceTimersByTime(lengthMs('high') + 5_000)
    expect(heard()).toBe(10)
    silence()
    vi.advanceTimersByTime(SILENCE_MS - 1_000)
    expect(heard()).toBe(0)
    vi.advanceTimersByTime(2_000)
    expect(heard()).toBe(10)
    silence()
    endSilence()
    expect(heard()).toBe(10)
    alarm(null)
    vi.advanceTimersByTime(600_000)
    expect(heard()).toBe(0)
    vi.useRealTimers()
    vi.unstubAllGlobals()
  })
})
