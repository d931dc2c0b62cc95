import { beforeEach, expect, test } from 'vitest'
import { setLang } from '../words'
import { chip, line, unitOf } from './evidence'

beforeEach(() => setLang('zh'))
const st = (lead: string, value: number, limit: number | null = 0.1) => ({ lead, measure: 'st_j_mv', value, op: '>=', limit })

test('a chip has lead, signed value, comparison and limit', () => {
  expect(chip(st('III', 0.29))).toBe('III +0.29 ≥ 0.10')
  expect(chip({ ...st('V3', 0.1, 0.2), op: '<' })).toBe('V3 +0.10 < 0.20')
  expect(chip(st('aVL', -0.16, null))).toBe('aVL −0.16')
  expect(chip({ lead: null, measure: 'qrs_ms', value: 135, op: '>=', limit: 120 }, true)).toBe('QRS 135 ≥ 120 ms')
})
test('an alarm has one line', () => {
  expect(line([st('II', 0.27), st('III', 0.29)])).toBe('II +0.27、III +0.29 mV')
  expect(line(null)).toBe('')
})
test('units follow the name', () => {
  expect(unitOf('heart_rate_bpm')).toBe('次/分')
  setLang('en')
  expect(unitOf('heart_rate_bpm')).toBe('/min')
})
