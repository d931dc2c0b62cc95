import { computed, shallowRef } from 'vue'
import { Refused, Unreachable, api } from '../api/client'
import type { CaseDocument } from '../api/types'
import { feedQuery, startState, step, type Effect, type FeedEvent, type FeedState, type Happening, type ServerFrame } from './protocol'

export interface FeedUser {
  /** Fetch the screen's truth; its `seq`, or null where it has none. */
  refetch: () => Promise<number | null>
  apply: (event: FeedEvent) => void
  signedOut: () => void
}

/** Beats may be late by this much before the line counts as cut. */
const LATE_FACTOR = 2.2
/** An action that the feed has not answered by then goes by POST, under the same id. */
const ACTION_PATIENCE_MS = 4_000

interface Waiting { done: (doc: CaseDocument | null) => void; fail: (error: Error) => void }

/** The shell around the pure machine: it owns the socket and the timers, and decides nothing. */
export function openFeed(user: FeedUser) {
  const state = shallowRef<FeedState>(startState)
  const waiting = new Map<string, Waiting>()
  let socket: WebSocket | null = null
  let silence = 0, reopen = 0, highest = 0, ended = false

  function happen(happening: Happening) {
    const [next, effects] = step(state.value, happening)
    state.value = next
    for (const effect of effects) perform(effect)
  }

  function perform(effect: Effect) {
    switch (effect.do) {
      case 'apply': user.apply(effect.event); break
      case 'refetch': void fetchTruth(); break
      case 'reopen': clearTimeout(reopen); reopen = window.setTimeout(connect, effect.inMs); break
      case 'close': {
        // a dead line may take minutes to report its end: let go of it now
        const dead = socket
        socket = null
        dead?.close()
        onClosed(1006)
        break
      }
      case 'signed-out': ended = true; user.signedOut(); break
      case 'answer': {
        const asked = waiting.get(effect.id)
        waiting.delete(effect.id)
        if (effect.problem) asked?.fail(new Refused(effect.problem))
        else asked?.done(effect.case)
      }
    }
  }

  async function fetchTruth() {
    // a truth without a number of its own is at least as new as everything told before it was asked for
    const atLeast = highest
    try {
      const seq = await user.refetch()
      happen({ what: 'fetched', seq: seq ?? atLeast, at: Date.now() })
    } catch (error) {
      happen({ what: 'fetched', seq: null, at: Date.now() })
      if (error instanceof Refused && error.status === 401) perform({ do: 'signed-out' })
      else if (!ended) setTimeout(() => { if (state.value.last === null && socket?.readyState === WebSocket.OPEN) void fetchTruth() }, 2_000)
    }
  }

  function watchSilence() {
    clearTimeout(silence)
    silence = window.setTimeout(() => happen({ what: 'silence' }), state.value.heartbeatS * 1000 * LATE_FACTOR)
  }

  function connect() {
    if (ended) return
    clearTimeout(reopen)
    happen({ what: 'opening' })
    const scheme = location.protocol === 'https:' ? 'wss' : 'ws'
    const mine = new WebSocket(`${scheme}://${location.host}/v1/feed${feedQuery(state.value)}`, 'ecgnet.feed.1')
    socket = mine
    watchSilence()
    mine.onmessage = message => {
      if (mine !== socket) return
      let frame: ServerFrame
      try { frame = JSON.parse(String(message.data)) as ServerFrame } catch { return }
      if (frame.type === 'hello') highest = frame.seq
      else if (frame.type === 'event' || frame.type === 'beat') highest = Math.max(highest, frame.seq)
      if (frame.type === 'beat') mine.send('{"type":"beat"}')
      happen({ what: 'frame', frame, at: Date.now() })
      watchSilence()
    }
    mine.onclose = close => {
      if (mine !== socket) return
      socket = null
      onClosed(close.code)
    }
  }

  function onClosed(code: number) {
    clearTimeout(silence)
    for (const [key, asked] of waiting) { waiting.delete(key); asked.fail(new Unreachable('closed')) }
    if (ended) return
    happen({ what: 'closed', code, chance: Math.random() })
    void askSession()
  }

  /** A refused upgrade looks like any cut to a page; the session says whether we were signed out. */
  async function askSession() {
    try { await api.session() } catch (error) { if (error instanceof Refused && error.status === 401 && !ended) perform({ do: 'signed-out' }) }
  }

  function overFeed(frame: { id: string; do: string; case: string; seen: number; [more: string]: unknown }): Promise<CaseDocument | null> {
    return new Promise((done, fail) => {
      if (!socket || socket.readyState !== WebSocket.OPEN) { fail(new Unreachable('no feed')); return }
      const timer = setTimeout(() => { waiting.delete(frame.id); fail(new Unreachable('no answer')) }, ACTION_PATIENCE_MS)
      waiting.set(frame.id, {
        done: doc => { clearTimeout(timer); done(doc) },
        fail: error => { clearTimeout(timer); fail(error) },
      })
      socket.send(JSON.stringify(frame))
    })
  }

  /** One action of a person: over the feed, else by POST; the id makes the second way safe. Throws Refused or Unreachable. */
  async function act(which: string, action: string, seen: number, more: Record<string, unknown> = {}): Promise<CaseDocument | null> {
    const key = newId()
    try {
      return await overFeed({ ...more, id: key, do: action, case: which, seen })
    } catch (error) {
      if (error instanceof Refused) throw error
      return await api.act(which, action, { ...more, id: key, seen })
    }
  }

  const again = () => { if (!socket) connect() }
  addEventListener('online', again)
  connect()

  return {
    state,
    act,
    lost: computed(() => state.value.phase === 'lost' || state.value.phase === 'ended'),
    stop() { ended = true; removeEventListener('online', again); clearTimeout(reopen); clearTimeout(silence); socket?.close() },
  }
}
export type Feed = ReturnType<typeof openFeed>

/** crypto.randomUUID exists only on secure pages; a county server may be plain HTTP inside its own network. */
export function newId(): string {
  if (typeof crypto.randomUUID === 'function') return crypto.randomUUID()
  const bytes = crypto.getRandomValues(new Uint8Array(16))
  bytes[6] = (bytes[6]! & 0x0f) | 0x40
  bytes[8] = (bytes[8]! & 0x3f) | 0x80
  const hex = [...bytes].map(b => b.toString(16).padStart(2, '0')).join('')
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`
}
