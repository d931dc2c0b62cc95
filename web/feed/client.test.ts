import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { Refused } from '../api/client'
import { openFeed, type Feed } from './client'

/** A scripted server end of the socket. */
class Peer {
  static all: Peer[] = []
  static readonly OPEN = 1
  readyState = 1
  sent: Record<string, unknown>[] = []
  onmessage: ((m: { data: string }) => void) | null = null
  onclose: ((c: { code: number }) => void) | null = null
  constructor(readonly url: string) { Peer.all.push(this) }
  send(text: string) { this.sent.push(JSON.parse(text) as Record<string, unknown>) }
  close() { this.readyState = 3 }
  says(frame: unknown) { this.onmessage?.({ data: JSON.stringify(frame) }) }
  cut(code = 1006) { this.readyState = 3; this.onclose?.({ code }) }
}
const settle = () => vi.advanceTimersByTimeAsync(0)
const hello = (seq: number) => ({ type: 'hello', epoch: 'e', seq, you: null, heartbeat_s: 15 })
const event = (seq: number, prev: number) => ({ type: 'event', seq, prev, at: '2026-01-01T00:00:00Z', kind: 'case.changed', case: 'c', data: {} })

describe('the shell around the feed', () => {
  let feed: Feed
  const applied: number[] = []
  let truth: () => Promise<number | null>
  const signedOut = vi.fn()
  const fetched = vi.fn()
  beforeEach(async () => {
    vi.useFakeTimers()
    vi.stubGlobal('WebSocket', Peer)
    vi.stubGlobal('fetch', fetched.mockImplementation(() => Promise.resolve(new Response('{"case":"c","from":"post"}', { status: 200 }))))
    Peer.all = []
    applied.length = 0
    truth = () => Promise.resolve(10)
    feed = openFeed({ refetch: () => truth(), apply: e => applied.push(e.seq), signedOut })
    Peer.all[0]!.says(hello(10))
    await settle()
  })
  afterEach(() => { feed.stop(); vi.useRealTimers(); vi.unstubAllGlobals(); fetched.mockReset(); signedOut.mockReset() })

  test('comes back after a cut and asks for what it missed', async () => {
    Peer.all[0]!.says(event(11, 10))
    Peer.all[0]!.cut()
    await vi.advanceTimersByTimeAsync(600)
    expect(Peer.all[1]!.url).toContain('after=11&epoch=e')
    Peer.all[1]!.says(hello(12))
    Peer.all[1]!.says(event(12, 11))
    expect(applied).toEqual([11, 12])
    expect(feed.state.value.phase).toBe('open')
  })
  test('a server that falls silent is taken for lost, and dialled again', async () => {
    await vi.advanceTimersByTimeAsync(15_000 * 2.3)
    expect(feed.lost.value || Peer.all.length > 1).toBe(true)
    expect(Peer.all.length).toBeGreaterThan(1)
  })
  test('an action goes over the feed', async () => {
    const answer = feed.act('c', 'acknowledge', 11)
    const asked = Peer.all[0]!.sent[0]!
    expect(asked).toMatchObject({ do: 'acknowledge', case: 'c', seen: 11 })
    Peer.all[0]!.says({ type: 'done', id: asked.id, case: { case: 'c' } })
    expect(await answer).toEqual({ case: 'c' })
    expect(fetched).not.toHaveBeenCalled()
  })
  test('unanswered it goes by POST under the same id, so that it is done once', async () => {
    const answer = feed.act('c', 'acknowledge', 11)
    await vi.advanceTimersByTimeAsync(4_100)
    expect(await answer).toMatchObject({ from: 'post' })
    const [path, init] = fetched.mock.calls[0] as [string, RequestInit & { headers: Record<string, string> }]
    expect(path).toBe('/v1/cases/c/acknowledge')
    expect(init.headers['Idempotency-Key']).toBe(Peer.all[0]!.sent[0]!.id)
    expect(JSON.parse(String(init.body))).toMatchObject({ id: Peer.all[0]!.sent[0]!.id, seen: 11 })
  })
  test('a refusal is final: it is not tried a second way', async () => {
    const answer = feed.act('c', 'confirm', 11)
    Peer.all[0]!.says({ type: 'refused', id: Peer.all[0]!.sent[0]!.id, problem: { title: 'Conflict', status: 409, legal: ['acknowledge'] } })
    await expect(answer).rejects.toBeInstanceOf(Refused)
    expect(fetched).not.toHaveBeenCalled()
  })
  test('an ended session is told once and not dialled again', async () => {
    Peer.all[0]!.cut(4401)
    await vi.advanceTimersByTimeAsync(60_000)
    expect(signedOut).toHaveBeenCalledTimes(1)
    expect(Peer.all).toHaveLength(1)
  })
  test('a truth without a number does not loop on the gap that asked for it', async () => {
    truth = vi.fn(() => Promise.resolve(null))
    Peer.all[0]!.says(event(20, 15))
    await settle()
    Peer.all[0]!.says(event(21, 20))
    await settle()
    expect(truth).toHaveBeenCalledTimes(1)
    expect(applied).toEqual([21])
  })
})
