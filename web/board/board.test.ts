import { describe, expect, test } from 'vitest'
import type { Item, Site } from '../api/types'
import { HEIGHT, WIDTH, dotsOf, hull, labelsOf } from './map'
import { scaleOf } from './figures'

const site = (id: string, x: number | null, y: number | null): Site => ({ id, name: `${id}村`, township: '柳河镇', phone: '', x, y, last_exam_at: null, sent_today: 0, open_colour: null, live_at: null, expected_every_s: null, silent_at: null, heard_at: null, waiting: 0, waiting_since_at: null, trained_at: null, test_exam: null })
const item = (of: string): Item => ({ case: of, colour: 'RED', reason: null, state: 'open', owner: null, site: of, site_name: `${of}村卫生室`, township: null, phone: null, patient: null, symptoms: [], grade: null, exam: 'e', seq: 1, opened_at: 'x', due_at: null, alert: null })

describe('the map', () => {
  test('384 clinics without a place stand in a grid, none outside, none on another', () => {
    const dots = dotsOf(Array.from({ length: 384 }, (_, i) => site(`s${i}`, null, null)))
    expect(new Set(dots.map(d => `${d.x},${d.y}`)).size).toBe(384)
    expect(dots.every(d => d.x > 0 && d.x < WIDTH && d.y > 0 && d.y < HEIGHT)).toBe(true)
  })
  test('the ground is the hull of its dots', () => {
    expect(hull(dotsOf([site('a', 0, 0), site('b', 1, 0), site('c', 1, 1), site('d', 0, 1), site('e', 0.5, 0.5)])).split(' ')).toHaveLength(4)
    expect(hull([])).toBe('')
  })
  test('two cases close together keep both labels readable, and a label stays on the map', () => {
    const labels = labelsOf(dotsOf([site('a', 0.95, 0.5), site('b', 0.96, 0.51)]), [item('a'), item('b')])
    expect(Math.abs(labels[0]!.y - labels[1]!.y)).toBeGreaterThanOrEqual(30)
    expect(labels.every(l => l.left)).toBe(true)
  })
})

describe('answers on a scale', () => {
  test('are dots with the median and the number to beat; the scale grows with the longest', () => {
    expect(scaleOf([12, 40, 140], 38, 47).most).toBe(180)
    expect(scaleOf([12, 400], 38, 47).most).toBe(420)
    expect(scaleOf([], null, 47).median).toBeNull()
    expect(scaleOf([90], 90, 47).dots[0]).toBe(50)
  })
})
