import { openDB, type DBSchema, type IDBPDatabase } from 'idb'
import { ref, shallowRef } from 'vue'
import { Refused, api } from '../api/client'
import type { Context, Exam } from '../api/types'
import { newId } from '../feed/client'
import type { Entry } from './entry'
import { isFinal, retryMs } from './status'

interface Shelf extends DBSchema { outbox: { key: string; value: Entry } }

/** Delivered files are of no more use here; the row stays some days for the list while the line is cut. */
const KEEP_DELIVERED_MS = 3 * 24 * 3_600_000
const CACHED_EXAMS = 'ecgnet.exams'

export function openOutbox(site: string, told: { delivered: (exam: string) => void; signedOut: () => void }) {
  const entries = shallowRef<Entry[]>([])
  /** False where the browser keeps nothing (a private window): then *saved* is not claimed. */
  const durable = ref(true)
  const sending = ref<string | null>(null)
  const unreachable = ref(false)
  let shelf: IDBPDatabase<Shelf> | null = null
  let timer = 0, running = false

  const put = async (entry: Entry) => {
    entries.value = [...entries.value.filter(e => e.id !== entry.id), entry]
    if (shelf) await shelf.put('outbox', entry)
  }
  const drop = async (id: string) => {
    entries.value = entries.value.filter(e => e.id !== id)
    if (shelf) await shelf.delete('outbox', id)
  }

  async function open() {
    try {
      shelf = await openDB<Shelf>('ecgnet', 1, { upgrade: db => { db.createObjectStore('outbox', { keyPath: 'id' }) } })
      const kept = await shelf.getAll('outbox')
      const old = Date.now() - KEEP_DELIVERED_MS
      for (const entry of kept) if (entry.exam && entry.savedAt < old) await shelf.delete('outbox', entry.id)
      entries.value = kept.filter(e => e.site === site && (!e.exam || e.savedAt >= old))
      void navigator.storage?.persist?.()
    } catch {
      durable.value = false
    }
    void pump()
  }

  async function add(files: File[], context: Context): Promise<string> {
    // the bytes are read now: a file on a stick may be gone by the time it is sent
    const copies = await Promise.all(files.map(async f => ({ name: f.name, blob: new Blob([await f.arrayBuffer()], { type: f.type }) })))
    const entry: Entry = { id: newId(), site, savedAt: Date.now(), files: copies, context, attempts: 0, exam: null, refused: null }
    await put(entry)
    void pump()
    return entry.id
  }

  /** New facts: into what still lies here, else to the county. */
  async function addContext(entry: Entry | null, exam: string | null, context: Context): Promise<void> {
    if (entry && !exam && !entry.exam) {
      const symptoms = context.symptoms ?? entry.context.symptoms
      await put({ ...entry, context: { ...entry.context, ...context, ...(symptoms ? { symptoms } : {}), patient: { ...entry.context.patient, ...context.patient } } })
      return
    }
    await api.addContext((exam ?? entry?.exam)!, context, newId())
  }

  const next = () => entries.value.filter(e => !e.exam && !e.refused).sort((a, b) => Number(b.context.urgent ?? false) - Number(a.context.urgent ?? false) || a.savedAt - b.savedAt)[0]

  /** Sends what lies here, urgent first, one after the other, until nothing is left or the line is cut. */
  async function pump() {
    if (running) return
    running = true
    clearTimeout(timer)
    try {
      for (let entry = next(); entry; entry = next()) {
        sending.value = entry.id
        const mine = entry.id, given = entry.context
        try {
          const receipt = await api.send(entry.files, given, entry.id)
          unreachable.value = false
          const now = entries.value.find(e => e.id === mine)
          if (!now) continue
          // what was added while it was on its way follows it
          if (JSON.stringify(now.context) !== JSON.stringify(given)) void api.addContext(receipt.exam, now.context, newId()).catch(() => undefined)
          await put({ ...now, files: [], context: {}, exam: receipt.exam })
          told.delivered(receipt.exam)
        } catch (error) {
          const refused = error instanceof Refused ? error : null
          if (refused && isFinal(refused.status)) { await put({ ...entry, refused: refused.message }); continue }
          unreachable.value = !refused
          await put({ ...entry, attempts: entry.attempts + 1 })
          if (refused?.status === 401) told.signedOut()
          timer = window.setTimeout(pump, retryMs(entry.attempts, Math.random()))
          return
        }
      }
    } finally {
      sending.value = null
      running = false
    }
  }
  addEventListener('online', () => void pump())
  void open()

  return { entries, durable, sending, unreachable, add, addContext, drop, pump }
}
export type Outbox = ReturnType<typeof openOutbox>

/** The last list, so that an answer can still be read when the net is gone. */
export function cacheExams(exams: Exam[]) { try { localStorage.setItem(CACHED_EXAMS, JSON.stringify(exams.slice(0, 12))) } catch { /* nothing kept */ } }
export function cachedExams(): Exam[] { try { return JSON.parse(localStorage.getItem(CACHED_EXAMS) ?? '[]') as Exam[] } catch { return [] } }
