import { computed, ref, shallowRef, watch } from 'vue'
import { Refused, api } from '../api/client'
import type { CaseDocument, Exam, Item, Problem, Rosters } from '../api/types'
import { openFeed, type Feed } from '../feed/client'
import type { FeedEvent } from '../feed/protocol'
import { toSignIn } from '../shared/session'
import { alarm, endSilence } from '../shared/sound'
import { instant } from '../shared/time'
import { readingOf, type Reading } from './record'
import { applyEvent, arrange, toDecide, unansweredOrange, unansweredRed } from './worklist'

/** The case on the screen. It is `seen` only when its tracing, or the reason why there is none, has been drawn. */
export interface OpenCase {
  case: string
  /** Each opening draws anew, and only a drawing acknowledges: a second alert of the same case is seen a second time. */
  visit: number
  item: Item | null
  doc: CaseDocument | null
  exam: string
  about: Exam | null
  reading: Reading | null
  /** Why there is no tracing: the file's fault or ours (`none`), or the line (`unreachable`). */
  trouble: 'none' | 'unreachable' | null
  busy: string | null
  refusal: Problem | null
  notSent: boolean
}

/** All that the reader's screens share: the list, the case that is open, the alarm. One per page. */
export function useDesk() {
  const items = shallowRef<Item[]>([])
  const loaded = ref(false)
  const shown = ref<string[]>([])
  const waiting = ref(0)
  const held = ref(false)
  const rosters = shallowRef<Rosters | null>(null)
  const open = shallowRef<OpenCase | null>(null)
  /** Opened here, answer of the server still on its way: the sound has done its work. */
  const answering = ref(new Set<string>())

  const reds = computed(() => unansweredRed(items.value).filter(i => !answering.value.has(i.case)))
  const oranges = computed(() => unansweredOrange(items.value).filter(i => !answering.value.has(i.case)))

  watch([reds, oranges], ([red, orange], [redBefore]) => {
    const oldest = (red[0] ?? orange[0])?.alert?.raised_at
    alarm(red.length ? 'high' : orange.length ? 'medium' : null, instant(oldest) ?? undefined)
    if (red.some(r => !redBefore?.some(b => b.case === r.case))) endSilence()
    // the tracing of whoever rings is fetched before anyone asks for it
    for (const item of red) if (item.exam) void readingOf(item.exam).catch(() => undefined)
  })

  function settle(list: Item[]) {
    items.value = list.filter(toDecide)
    const next = arrange(shown.value, items.value, held.value)
    shown.value = next.shown
    waiting.value = next.waiting
    if (open.value) {
      const mine = list.find(i => i.case === open.value!.case)
      if (mine) open.value = { ...open.value, item: mine }
    }
  }
  function sortIn() {
    const next = arrange([], items.value, false)
    shown.value = next.shown
    waiting.value = 0
  }
  watch(held, is => { if (!is) sortIn() })

  // at most one fetch of the list under way, and one more after it when something happened meanwhile
  let fetching: Promise<number> | null = null, again = false
  async function fetchList(): Promise<number> {
    const list = await api.worklist()
    loaded.value = true
    settle(list.items)
    return list.seq
  }
  function refresh(): Promise<number> {
    if (fetching) { again = true; return fetching }
    fetching = fetchList().finally(() => {
      fetching = null
      if (again) { again = false; void refresh().catch(() => undefined) }
    })
    return fetching
  }

  function apply(event: FeedEvent) {
    settle(applyEvent(items.value, event))
    if (event.kind.startsWith('roster.')) void fetchRosters()
    if (event.case !== null || event.kind === 'exam.received') setTimeout(() => void refresh().catch(() => undefined), 80)
    if (open.value && event.case === open.value.case) void reload(event.kind === 'exam.analysed' || open.value.reading?.analysis === null)
  }

  const fetchRosters = () => api.rosters().then(r => { rosters.value = r }, () => undefined)
  const feed: Feed = openFeed({
    refetch: async () => { void fetchRosters(); const seq = await refresh(); if (open.value) void reload(false); return seq },
    apply,
    signedOut: toSignIn,
  })
  setInterval(fetchRosters, 5 * 60_000)

  const isOpen = (which: string) => open.value?.case === which
  function change(which: string, more: Partial<OpenCase>) { if (open.value && isOpen(which)) open.value = { ...open.value, ...more } }

  let visits = 0
  async function openCase(which: string) {
    const item = items.value.find(i => i.case === which) ?? null
    open.value = { case: which, visit: ++visits, item, doc: null, exam: item?.exam ?? '', about: null, reading: null, trouble: null, busy: null, refusal: null, notSent: false }
    // reading the case tells the village that a doctor has seen it: only once the tracing is here
    if (item?.exam) await showExam(which, item.exam)
    if (isOpen(which)) await reload(false)
  }

  async function showExam(which: string, exam: string, fresh = false) {
    change(which, { exam })
    api.exam(exam).then(about => { if (isOpen(which) && open.value!.exam === exam) change(which, { about }) }, () => undefined)
    try {
      const reading = await readingOf(exam, fresh)
      if (isOpen(which) && open.value!.exam === exam) change(which, { reading, trouble: null })
    } catch (error) {
      if (isOpen(which) && open.value!.exam === exam && !open.value!.reading) change(which, { trouble: error instanceof Refused || error instanceof RangeError ? 'none' : 'unreachable' })
    }
  }

  async function reload(newReading: boolean) {
    const which = open.value?.case
    if (!which) return
    try {
      const doc = await api.case(which)
      if (!isOpen(which)) return
      const moved = doc.exam !== open.value!.exam && (open.value!.exam === '' || open.value!.doc?.exam === open.value!.exam)
      change(which, { doc, item: doc })
      if (moved || newReading || open.value!.trouble) await showExam(which, moved ? doc.exam : open.value!.exam || doc.exam, newReading)
      else api.exam(open.value!.exam).then(about => change(which, { about }), () => undefined)
    } catch { /* the list's row stands in; the feed says that the line is cut */ }
  }

  /** Called by the sheet after its first frame: now a human has seen it. */
  async function drawn(which: string) {
    const it = open.value
    if (!it || it.case !== which || answering.value.has(which)) return
    const item = it.doc ?? it.item
    if (!item || !item.alert || item.alert.acknowledged_at !== null || item.state !== 'open') return
    if (it.doc && !it.doc.legal.includes('acknowledge')) return
    answering.value = new Set(answering.value).add(which)
    try {
      await act('acknowledge')
    } finally {
      const rest = new Set(answering.value)
      rest.delete(which)
      answering.value = rest
    }
  }

  /** The act under way: the same one again is the second press of a button, another one waits for its end. */
  let underWay: Promise<unknown> = Promise.resolve()
  async function act(action: string, more: Record<string, unknown> = {}): Promise<boolean> {
    const asked = open.value?.case
    if (open.value?.busy === action) return false
    const before = underWay
    const mine = before.then(() => (open.value && open.value.case === asked ? actNow(open.value, action, more) : false))
    underWay = mine
    return mine
  }
  async function actNow(it: OpenCase, action: string, more: Record<string, unknown>): Promise<boolean> {
    const which = it.case, seen = Math.max(it.doc?.seq ?? 0, it.item?.seq ?? 0)
    change(which, { busy: action, refusal: null, notSent: false })
    try {
      const doc = await feed.act(which, action, seen, more)
      if (doc) settleCase(doc)
      change(which, { busy: null })
      if (!doc) void reload(false)
      void refresh().catch(() => undefined)
      return true
    } catch (error) {
      if (error instanceof Refused) { change(which, { busy: null, refusal: error.problem }); void reload(false); void refresh().catch(() => undefined) }
      else change(which, { busy: null, notSent: true })
      return false
    }
  }
  function settleCase(doc: CaseDocument) {
    change(doc.case, { doc, item: doc })
    settle(items.value.map(i => (i.case === doc.case ? { ...i, ...doc } : i)))
  }

  /** The next case in the list's own order; wraps, so that J never does nothing. */
  function neighbour(step: 1 | -1): string | null {
    const list = shown.value
    if (list.length === 0) return null
    const at = open.value ? list.indexOf(open.value.case) : -1
    return list[at < 0 ? (step > 0 ? 0 : list.length - 1) : (at + step + list.length) % list.length] ?? null
  }

  return {
    items, loaded, shown, waiting, held, rosters, open, reds, oranges, answering, feed,
    openCase, showExam, drawn, act, sortIn, neighbour, fetchRosters, close: () => { open.value = null }, reload: () => { void reload(false) },
    retry: () => { const it = open.value; if (it) { change(it.case, { trouble: null }); void reload(false); void showExam(it.case, it.exam, true) } },
  }
}
export type Desk = ReturnType<typeof useDesk>
