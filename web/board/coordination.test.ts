import { describe, expect, test } from 'vitest'
import type { Gap, Rosters, Site } from '../api/types'
import { likeness } from '../reader/likeness'
import { setLang } from '../words'
import { arranged, onLine, stateOf, usual } from './clinics'
import { gapKey, keysOf, noticesOf } from './notices'
import { fieldTime, gapWords, instantOf, segmentsOf } from './roster'

const NOW = Date.parse('2026-11-24T12:00:00Z'), HOUR = 3_600_000
const at = (hours: number) => new Date(NOW + hours * HOUR).toISOString()
const gap = (from: number, to: number | null): Gap => ({ slot: 'first', from_at: at(from), to_at: to === null ? null : at(to) })
const site = (id: string, more: Partial<Site> = {}): Site => ({ id, name: `${id}村`, township: '柳河镇', phone: '', x: null, y: null, last_exam_at: null, sent_today: 0, open_colour: null, live_at: at(-900), expected_every_s: null, silent_at: null, heard_at: null, waiting: 0, waiting_since_at: null, trained_at: null, test_exam: null, ...more })
const rosters = (gaps: Gap[]): Rosters => ({ now: [], next: [], gaps, hand_over: null, people: [] })

describe('the week', () => {
  test('shows a gap where it lies, one that runs from the left edge, one without an end to the right edge', () => {
    expect(segmentsOf([gap(-5, 16.8), gap(84, 100.8), gap(151.2, null)], NOW)).toEqual([{ left: 0, width: 10 }, { left: 50, width: expect.closeTo(10) as number }, { left: 90, width: expect.closeTo(10) as number }])
  })
  test('a gap that never ends is not given an end', () => {
    setLang('en')
    expect(gapWords(gap(1, null))).toContain('after')
    expect(gapWords(gap(1, 2))).toMatch(/from .* to /)
    setLang('zh')
  })
  test('a time goes into a field and comes back as the same instant', () => {
    expect(instantOf(fieldTime(NOW))).toBe(new Date(NOW).toISOString())
    expect(instantOf('')).toBeNull()
  })
})

describe('notices', () => {
  const silent = site('a', { silent_at: at(-3) })
  test('a gap of the next day and a silent clinic are told until they are noted; a later gap waits', () => {
    const known = rosters([gap(20, 30), gap(30, null)])
    const told = noticesOf(known, [silent, site('b')], new Set(), NOW)
    expect([told.gaps.length, told.silent.map(s => s.id)]).toEqual([1, ['a']])
    expect(keysOf(noticesOf(known, [silent], new Set(keysOf(told)), NOW))).toEqual([])
  })
  test('a clinic that falls silent anew is told anew', () => {
    const noted = new Set(keysOf(noticesOf(null, [silent], new Set(), NOW)))
    expect(noticesOf(null, [{ ...silent, silent_at: at(-1) }], noted, NOW).silent).toHaveLength(1)
  })
  test('the same gap keeps its name while it runs', () => {
    expect(gapKey(gap(-5, 2))).toBe(gapKey({ ...gap(-5, 2), to_at: null }))
  })
})

describe('the clinics', () => {
  test('the longest silence stands first, and what is not live is not called silent', () => {
    const all = [site('c', { live_at: null }), site('b'), site('y', { silent_at: at(-2) }), site('x', { silent_at: at(-9) })]
    expect(arranged(all, 'all').map(s => s.id)).toEqual(['x', 'y', 'b', 'c'])
    expect(all.map(s => stateOf(s))).toEqual(['notLive', 'live', 'silent', 'silent'])
    expect(arranged(all, 'notLive').map(s => s.id)).toEqual(['c'])
    expect(arranged(all, 'all', '柳河').length).toBe(4)
    expect(arranged(all, 'all', 'x村').map(s => s.id)).toEqual(['x'])
  })
  test('what waits at a clinic is called before a silence; a beat tells a quiet clinic from one whose PC is off', () => {
    const all = [site('s', { silent_at: at(-9) }), site('w', { waiting: 2, waiting_since_at: at(-1) }), site('b', { waiting: 1, waiting_since_at: at(-0.01) })]
    expect(arranged(all, 'all', '', NOW).map(s => s.id)).toEqual(['w', 's', 'b'])
    expect(stateOf(all[2]!, NOW)).toBe('live') // a moment on the line is no trouble
    expect([onLine(site('a', { heard_at: at(-0.01) }), NOW), onLine(site('a', { heard_at: at(-1) }), NOW), onLine(site('a'), NOW)]).toEqual([true, false, null])
  })
  test('how often it sends is said as so many a day, or one in so many days', () => {
    expect(usual(43_200)).toEqual({ perDay: 2 })
    expect(usual(3 * 86_400)).toEqual({ days: 3 })
    expect(usual(null)).toBeNull()
  })
})

describe('records that may be one patient', () => {
  const who = (name: string | null, sex: string | null, age: number | null, tail: string | null = null) => ({ name, sex, age_years: age, id_tail: tail })
  test('the same number and name are offered before another sex', () => {
    const mine = who('王建国', 'male', 68, '1234')
    const order = [who('李秀英', 'female', 68), who('王建国', 'male', 68), who(null, null, null), who('王建国', 'male', 69, '1234')]
    expect([...order].sort((a, b) => likeness(mine, b) - likeness(mine, a))).toEqual([order[3], order[1], order[2], order[0]])
  })
})
