import { describe, expect, test } from 'vitest'
import { backoffMs, feedQuery, startState, step, type Effect, type FeedEvent, type FeedState, type Happening, type ServerFrame } from './protocol'

const hello = (seq: number, epoch = 'e1'): ServerFrame => ({ type: 'hello', epoch, seq, you: null, heartbeat_s: 15 })
const event = (seq: number, prev: number): FeedEvent => ({ type: 'event', seq, prev, at: '2026-01-01T00:00:00Z', kind: 'case.changed', case: 'c', data: {} })
const beat = (seq: number): ServerFrame => ({ type: 'beat', seq })
const fetched = (seq: number | null): Happening => ({ what: 'fetched', seq, at: 9 })

/** Plays a script of frames and happenings; returns the end and everything that was to be done. */
function play(script: (ServerFrame | Happening)[], from: FeedState = startState): { state: FeedState; effects: Effect[]; applied: number[] } {
  let state = from
  const effects: Effect[] = []
  for (const part of script) {
    const [next, more] = step(state, 'what' in part ? part : { what: 'frame', frame: part, at: 5 })
    state = next
    effects.push(...more)
  }
  return { state, effects, applied: effects.flatMap(e => (e.do === 'apply' ? [e.event.seq] : [])) }
}
const ready = play([hello(10), fetched(10)]).state

describe('a feed that starts', () => {
  test('fetches its truth once, then applies what follows', () => {
    const { state, effects, applied } = play([hello(10), fetched(10), event(12, 10), event(13, 12)])
    expect(effects[0]).toEqual({ do: 'refetch', why: 'first' })
    expect(applied).toEqual([12, 13])
    expect(state.last).toBe(13)
    expect(feedQuery(state)).toBe('?after=13&epoch=e1')
  })
  test('an event that comes while the list is fetched is neither lost nor applied twice', () => {
    const { applied } = play([hello(10), event(11, 10), event(12, 11), fetched(11)])
    expect(applied).toEqual([12])
  })
  test('asks for everything before it knows anything', () => {
    expect(feedQuery(startState)).toBe('')
  })
})

describe('a gap is never silent', () => {
  test('a missing event in between', () => {
    const { effects, applied, state } = play([event(14, 12), fetched(14)], ready)
    expect(effects).toEqual([{ do: 'refetch', why: 'gap' }])
    expect(applied).toEqual([])
    expect(state.last).toBe(14)
  })
  test('a missing event at the end, told by the beat', () => {
    expect(play([beat(10)], ready).effects).toEqual([])
    expect(play([beat(11)], ready).effects).toEqual([{ do: 'refetch', why: 'beat beyond' }])
  })
  test('numbers we may not see are no gap', () => {
    expect(play([event(99, 10)], ready).applied).toEqual([99])
  })
  test('a repeated event is dropped', () => {
    expect(play([event(11, 10), event(11, 10)], ready).applied).toEqual([11])
  })
  test('resync refetches and forgets the numbers', () => {
    const { effects, state } = play([{ type: 'resync', why: 'beyond' }, fetched(3), event(4, 3)], ready)
    expect(effects[0]).toEqual({ do: 'refetch', why: 'beyond' })
    expect(state.last).toBe(4)
  })
  test('another epoch after a restore refetches', () => {
    const { effects } = play([{ what: 'closed', code: 1006, chance: 0 }, hello(2, 'e2')], ready)
    expect(effects.at(-1)).toEqual({ do: 'refetch', why: 'epoch' })
  })
  test('the same epoch after a cut goes on without a fetch', () => {
    const { effects, applied } = play([{ what: 'closed', code: 1006, chance: 0 }, hello(12), event(11, 10), event(12, 11)], ready)
    expect(effects.filter(e => e.do === 'refetch')).toEqual([])
    expect(applied).toEqual([11, 12])
  })
  test('a second gap while fetching asks only once', () => {
    expect(play([event(14, 12), event(20, 18), beat(30)], ready).effects).toEqual([{ do: 'refetch', why: 'gap' }])
  })
  test('a fetch that failed is asked again by the next beat', () => {
    const { effects } = play([event(14, 12), fetched(null), beat(14)], ready)
    expect(effects.filter(e => e.do === 'refetch')).toHaveLength(2)
  })
})

describe('a line that breaks', () => {
  test('is lost at once, keeps the time of truth, and comes back with chance in the wait', () => {
    const { state, effects } = play([{ what: 'closed', code: 1006, chance: 0.5 }], ready)
    expect(state.phase).toBe('lost')
    expect(state.truthAt).toBe(9)
    expect(effects).toEqual([{ do: 'reopen', inMs: 375 }])
  })
  test('stays lost until the server has spoken', () => {
    const { state } = play([{ what: 'closed', code: 1006, chance: 0 }, { what: 'opening' }], ready)
    expect(state.phase).toBe('lost')
    expect(play([hello(10)], state).state.phase).toBe('open')
  })
  test('a silent server counts as lost', () => {
    const { state, effects } = play([{ what: 'silence' }], ready)
    expect(state.phase).toBe('lost')
    expect(effects).toEqual([{ do: 'close' }])
  })
  test('an ended session does not knock again', () => {
    const { state, effects } = play([{ what: 'closed', code: 4401, chance: 0 }], ready)
    expect(state.phase).toBe('ended')
    expect(effects).toEqual([{ do: 'signed-out' }])
  })
  test('waits grow to a limit and never reach zero', () => {
    expect(backoffMs(0, 0)).toBe(250)
    expect(backoffMs(3, 1)).toBe(4000)
    expect(backoffMs(99, 1)).toBe(15_000)
  })
})

describe('an action over the feed', () => {
  test('is answered with the case or with the problem', () => {
    const problem = { title: 'Conflict', status: 409, legal: ['confirm'] }
    const { effects } = play([{ type: 'done', id: 'a', case: null }, { type: 'refused', id: 'b', problem }, { type: 'refused', id: null, problem }], ready)
    expect(effects).toEqual([{ do: 'answer', id: 'a', case: null, problem: null }, { do: 'answer', id: 'b', case: null, problem }])
  })
})
