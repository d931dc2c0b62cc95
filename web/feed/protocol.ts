/**
 * The feed `ecgnet.feed.1` as a pure machine: frames and happenings in, a new state and effects out. No socket, no clock.
 *
 * What makes a gap never silent: every event carries `prev`, the number of the event that this session was shown before
 * it, and every beat the last number that we may see. While what we hold reaches `last`, an event is the next one when
 * `prev <= last < seq`; `prev > last` means that something between was lost, and so does a beat beyond `last`. Then, and
 * on `resync`, the screen refetches its truth (a list with its own `seq`), and goes on from there: events that arrive
 * meanwhile are kept, those up to the fetched number are dropped.
 */
import type { CaseDocument, Problem, Who } from '../api/types'

export interface FeedEvent { type: 'event'; seq: number; prev: number; at: string; kind: string; case: string | null; data: Record<string, unknown> }
export type ServerFrame =
  | { type: 'hello'; epoch: string; seq: number; you: Who | null; heartbeat_s: number }
  | FeedEvent
  | { type: 'beat'; seq: number }
  | { type: 'done'; id: string; case: CaseDocument | null }
  | { type: 'refused'; id: string | null; problem: Problem }
  | { type: 'resync'; why: string }

export type Happening =
  | { what: 'opening' }
  | { what: 'frame'; frame: ServerFrame; at: number }
  | { what: 'closed'; code: number; chance: number }
  | { what: 'silence' }
  | { what: 'fetched'; seq: number | null; at: number }

export type Effect =
  | { do: 'apply'; event: FeedEvent }
  | { do: 'refetch'; why: string }
  | { do: 'answer'; id: string; case: CaseDocument | null; problem: Problem | null }
  | { do: 'reopen'; inMs: number }
  | { do: 'close' }
  | { do: 'signed-out' }

export interface FeedState {
  phase: 'connecting' | 'open' | 'lost' | 'ended'
  epoch: string | null
  /** Everything up to this number has been applied or fetched; null before the first truth. */
  last: number | null
  heartbeatS: number
  /** Local ms of the last sign of life: the time of truth of the screen. */
  truthAt: number | null
  attempts: number
  refetching: boolean
  kept: FeedEvent[]
}

export const startState: FeedState = { phase: 'connecting', epoch: null, last: null, heartbeatS: 20, truthAt: null, attempts: 0, refetching: false, kept: [] }

/** First try soon, then doubling; half of the wait is chance, so that 384 clinics do not return in one second. */
const FIRST_WAIT_MS = 500
const LONGEST_WAIT_MS = 15_000
export const backoffMs = (attempt: number, chance: number): number => {
  const full = Math.min(LONGEST_WAIT_MS, FIRST_WAIT_MS * 2 ** Math.min(attempt, 10))
  return Math.round(full / 2 + (full / 2) * chance)
}
/** 4401: the session has ended on purpose; knocking again would be refused too. */
const SESSION_ENDED = 4401
/** Events kept while a refetch is on its way; beyond it the fetch is simply asked again. */
const MOST_KEPT = 500

export const feedQuery = (state: FeedState): string =>
  state.last === null ? '' : `?after=${state.last}${state.epoch === null ? '' : `&epoch=${encodeURIComponent(state.epoch)}`}`

type Step = [FeedState, Effect[]]

function refetch(state: FeedState, why: string, kept: FeedEvent[] = state.kept): Step {
  return [{ ...state, refetching: true, kept }, state.refetching ? [] : [{ do: 'refetch', why }]]
}

function onEvent(state: FeedState, event: FeedEvent): Step {
  if (state.refetching || state.last === null) {
    return state.kept.length >= MOST_KEPT ? [{ ...state, kept: [event] }, []] : [{ ...state, kept: [...state.kept, event] }, []]
  }
  if (event.seq <= state.last) return [state, []]
  if (event.prev > state.last) return refetch(state, 'gap', [event])
  return [{ ...state, last: event.seq }, [{ do: 'apply', event }]]
}

function onFrame(before: FeedState, frame: ServerFrame, at: number): Step {
  const state: FeedState = { ...before, truthAt: at }
  switch (frame.type) {
    case 'hello': {
      const open: FeedState = { ...state, phase: 'open', attempts: 0, heartbeatS: frame.heartbeat_s, epoch: frame.epoch }
      if (state.last === null) return refetch(open, 'first')
      // another epoch: its numbers mean nothing here
      if (state.epoch !== null && state.epoch !== frame.epoch) return refetch({ ...open, last: null }, 'epoch', [])
      return [open, []]
    }
    case 'event': return onEvent(state, frame)
    case 'beat':
      return state.last !== null && !state.refetching && frame.seq > state.last ? refetch(state, 'beat beyond', []) : [state, []]
    case 'done': return [state, [{ do: 'answer', id: frame.id, case: frame.case, problem: null }]]
    case 'refused': return frame.id === null ? [state, []] : [state, [{ do: 'answer', id: frame.id, case: null, problem: frame.problem }]]
    case 'resync': return refetch({ ...state, last: null }, frame.why, [])
    default: return [state, []] // a newer server may say more; adding is free
  }
}

function onFetched(state: FeedState, seq: number | null, at: number): Step {
  if (seq === null) return [{ ...state, refetching: false }, []]
  let now: FeedState = { ...state, refetching: false, last: seq, truthAt: at, kept: [] }
  const effects: Effect[] = []
  for (const event of state.kept) {
    const [next, more] = onEvent(now, event)
    now = next
    effects.push(...more)
  }
  return [now, effects]
}

export function step(state: FeedState, happening: Happening): Step {
  switch (happening.what) {
    case 'opening': return [{ ...state, phase: state.phase === 'lost' ? 'lost' : 'connecting' }, []]
    case 'frame': return onFrame(state, happening.frame, happening.at)
    case 'fetched': return onFetched(state, happening.seq, happening.at)
    case 'silence': return [{ ...state, phase: 'lost' }, [{ do: 'close' }]]
    case 'closed':
      if (happening.code === SESSION_ENDED) return [{ ...state, phase: 'ended', refetching: false }, [{ do: 'signed-out' }]]
      return [{ ...state, phase: 'lost', attempts: state.attempts + 1, refetching: false }, [{ do: 'reopen', inMs: backoffMs(state.attempts, happening.chance) }]]
  }
}
