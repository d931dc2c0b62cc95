import { lang } from '../words'
import { noteServerDate } from '../shared/time'
import type { Analysis, CaseDocument, Context, Exam, Figures, Item, Known, Ladder, ListedMerge, Merge, Problem, Receipt, Rosters, Samples, Session, SignedIn, Site, Slot, Worklist } from './types'

/** A refusal that the server put into words. */
export class Refused extends Error {
  constructor(readonly problem: Problem) { super(problem.detail ?? problem.title) }
  get status() { return this.problem.status }
}
/** Nobody answered: no network, no server, or no answer in time. */
export class Unreachable extends Error {}

const PATIENCE_MS = 15_000
/** A 300 KB file at 30 kbit/s takes 80 s. */
const UPLOAD_PATIENCE_MS = 180_000

async function problemOf(answer: Response): Promise<Problem> {
  try {
    const body = await answer.json() as Partial<Problem>
    return { title: answer.statusText, ...body, status: answer.status }
  } catch {
    return { title: answer.statusText || String(answer.status), status: answer.status }
  }
}

async function call<T>(method: string, path: string, options: { json?: unknown; form?: FormData; key?: string; patienceMs?: number; cache?: RequestCache } = {}): Promise<T> {
  const headers: Record<string, string> = { 'Accept-Language': lang.value === 'en' ? 'en' : 'zh-CN' }
  if (options.json !== undefined) headers['Content-Type'] = 'application/json'
  if (options.key) headers['Idempotency-Key'] = options.key
  const body = options.form ?? (options.json === undefined ? undefined : JSON.stringify(options.json))
  const stop = new AbortController()
  const timer = setTimeout(() => stop.abort(), options.patienceMs ?? PATIENCE_MS)
  const sentAt = Date.now()
  try {
    const answer = await fetch(path, { method, headers, body, signal: stop.signal, credentials: 'same-origin', cache: options.cache ?? 'no-store' })
    noteServerDate(answer.headers.get('date'), sentAt, Date.now())
    if (!answer.ok) {
      const problem = await problemOf(answer)
      // a proxy that stands before a dead server
      if (answer.status === 502 || answer.status === 504) throw new Unreachable(problem.title)
      throw new Refused(problem)
    }
    return answer.status === 204 ? undefined as T : await answer.json() as T
  } catch (error) {
    if (error instanceof Refused || error instanceof Unreachable) throw error
    throw new Unreachable(String(error))
  } finally {
    clearTimeout(timer)
  }
}

const id = encodeURIComponent
const after = (path: string, cursor?: string | null) => (cursor ? `${path}?cursor=${id(cursor)}` : path)

/** Pages of a long list are followed so far; what lies beyond is less urgent than all of it. */
const MOST_PAGES = 8

export const api = {
  signIn: (name: string, password: string) => call<SignedIn>('POST', '/v1/session', { json: { name, password } }),
  session: () => call<Session>('GET', '/v1/session'),
  signOut: () => call<void>('DELETE', '/v1/session'),

  async worklist(): Promise<Worklist> {
    const first = await call<Worklist>('GET', '/v1/worklist')
    const items: Item[] = [...first.items]
    let next = first.next
    for (let page = 1; next && page < MOST_PAGES; page++) {
      const more = await call<Worklist>('GET', after('/v1/worklist', next))
      items.push(...more.items)
      next = more.next
    }
    // the first page's number: what changed while the others were fetched comes again as an event
    return { seq: first.seq, items, next }
  },
  case: (which: string) => call<CaseDocument>('GET', `/v1/cases/${id(which)}`),
  act: (which: string, action: string, body: { id: string; seen: number; [more: string]: unknown }) =>
    call<CaseDocument>('POST', `/v1/cases/${id(which)}/${id(action)}`, { json: body, key: body.id }),

  exams: (cursor?: string | null) => call<{ items: Exam[]; next: string | null }>('GET', after('/v1/exams', cursor)),
  exam: (which: string) => call<Exam>('GET', `/v1/exams/${id(which)}`),
  analysis: (which: string) => call<Analysis>('GET', `/v1/exams/${id(which)}/analysis`),
  /** A tracing never changes: the browser may keep it. */
  samples: (which: string) => call<Samples>('GET', `/v1/exams/${id(which)}/samples`, { cache: 'default' }),
  addContext: (which: string, context: Context, key: string) => call<unknown>('POST', `/v1/exams/${id(which)}/context`, { json: context, key }),
  send(files: { name: string; blob: Blob }[], context: Context, key: string) {
    const form = new FormData()
    for (const file of files) form.append('file', file.blob, file.name)
    if (Object.keys(context).length > 0) form.append('context', JSON.stringify(context))
    return call<Receipt>('POST', '/v1/exams', { form, key, patienceMs: UPLOAD_PATIENCE_MS })
  },

  statements: (query: string) => call<{ items: Known[] }>('GET', `/v1/statements?q=${id(query)}`),
  rosters: () => call<Rosters>('GET', '/v1/rosters'),
  addShift: (shift: { slot: Slot; person: string; from_at: string; to_at: string }, key: string) => call<unknown>('POST', '/v1/rosters', { json: shift, key }),
  swapShift: (shift: string, to: { person?: string; shift?: string; reason?: string }, key: string) => call<unknown>('POST', `/v1/rosters/${id(shift)}/swap`, { json: to, key }),
  withdrawShift: (shift: string, reason: string, key: string) => call<unknown>('POST', `/v1/rosters/${id(shift)}/withdraw`, { json: { reason }, key }),
  handOver: (text: string, key: string) => call<unknown>('POST', '/v1/rosters/hand-over', { json: { text }, key }),
  ladder: (which: string) => call<{ items: Ladder[] }>('GET', `/v1/cases/${id(which)}/ladder`),
  merges: () => call<{ items: ListedMerge[] }>('GET', '/v1/merges'),
  merge: (patient: string, into: string, reason: string) => call<Merge>('POST', `/v1/patients/${id(patient)}/merge`, { json: { into, reason } }),
  unmerge: (patient: string, reason: string) => call<Merge>('POST', `/v1/patients/${id(patient)}/unmerge`, { json: { reason } }),
  figures: () => call<Figures>('GET', '/v1/figures'),
  sites: () => call<{ items: Site[] }>('GET', '/v1/sites'),
}
