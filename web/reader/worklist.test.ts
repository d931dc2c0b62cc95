import { describe, expect, test } from 'vitest'
import type { Colour, Item } from '../api/types'
import type { FeedEvent } from '../feed/protocol'
import { applyEvent, arrange, before, unanswered, unansweredRed } from './worklist'

const item = (which: string, colour: Colour | null, due: string | null, more: Partial<Item> = {}): Item => ({
  case: which, colour, reason: null, state: 'open', owner: null, site: 's', site_name: '石桥村', township: null, phone: null, patient: null,
  symptoms: [], grade: null, exam: 'e', seq: 1, opened_at: '2026-01-01T00:00:00Z', due_at: due, alert: null, ...more,
})
const at = (minute: number) => `2026-01-01T00:${String(minute).padStart(2, '0')}:00Z`
const event = (kind: string, data: Record<string, unknown>, seq = 9, which = 'r'): FeedEvent => ({ type: 'event', seq, prev: seq - 1, at: at(1), kind, case: which, data })
const order = (items: Item[]) => [...items].sort(before).map(i => i.case)

describe('which next', () => {
  test('by urgency, then by what is due first; unread directly under ORANGE', () => {
    expect(order([item('g', 'GREEN', at(1)), item('y', 'YELLOW', at(1)), item('u', null, at(1)), item('o', 'ORANGE', at(9)), item('r2', 'RED', at(8)), item('r1', 'RED', at(7))]))
      .toEqual(['r1', 'r2', 'o', 'u', 'y', 'g'])
  })
})

describe('an alert', () => {
  const raised = event('alert.raised', { exam: 'e1', site: 's1', site_name: '石桥村', phone: '000-1', colour: 'RED', reason: { zh: '下壁', en: 'inferior' }, alert: 'a1', next_step_at: at(2) })
  test('is on the screen before the list has been fetched again', () => {
    const [row] = applyEvent([], raised)
    expect(row).toMatchObject({ case: 'r', colour: 'RED', phone: '000-1', exam: 'e1', seq: 9, alert: { id: 'a1', next_step_at: at(2) } })
    expect(unanswered(row!)).toBe(true)
  })
  test('on a known case keeps the patient that the list had', () => {
    const [row] = applyEvent([item('r', 'YELLOW', at(5), { patient: { name: '王建国', sex: 'male', age_years: 50 } })], raised)
    expect(row!.patient!.name).toBe('王建国')
    expect(row!.colour).toBe('RED')
  })
  test('climbs, and ends with the first acknowledgement, with its owner', () => {
    let items = applyEvent(applyEvent([], raised), event('alert.climbed', { step: 1, next_step_at: at(3) }, 10))
    expect(items[0]!.alert).toMatchObject({ step: 1, next_step_at: at(3) })
    items = applyEvent(items, event('alert.acknowledged', { owner: { id: 'p', name: '周敏' }, at: at(2) }, 11))
    expect(unanswered(items[0]!)).toBe(false)
    expect(items[0]!.owner!.name).toBe('周敏')
    expect(items[0]!.seq).toBe(11)
  })
  test('by the emergency button rings although nothing could be read yet', () => {
    const rung = item('u', null, null, { alert: { id: 'a', colour: 'RED', raised_at: at(0), step: 0, next_step_at: null, acknowledged_at: null } })
    expect(unansweredRed([rung])).toHaveLength(1)
  })
})

describe('a list under the pointer', () => {
  const shown = ['o', 'y']
  const items = [item('o', 'ORANGE', at(9)), item('y', 'YELLOW', at(9))]
  test('lets a new row wait', () => {
    expect(arrange(shown, [...items, item('n', 'ORANGE', at(1))], true)).toEqual({ shown: ['o', 'y'], waiting: 1 })
  })
  test('lets a RED in at the top', () => {
    expect(arrange(shown, [...items, item('r', 'RED', at(1))], true)).toEqual({ shown: ['r', 'o', 'y'], waiting: 0 })
  })
  test('drops what was decided', () => {
    expect(arrange(shown, [items[1]!], true)).toEqual({ shown: ['y'], waiting: 0 })
  })
  test('sorts when nobody points at it', () => {
    expect(arrange(shown, [...items, item('n', 'ORANGE', at(1))], false)).toEqual({ shown: ['n', 'o', 'y'], waiting: 0 })
  })
})
