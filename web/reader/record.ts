import { Refused, api } from '../api/client'
import type { Analysis } from '../api/types'
import { recordOf, type Record12 } from '../viewer'

/** What the sheet needs of one exam. `analysis` may be null: the tracing is read without it. */
export interface Reading { exam: string; record: Record12; analysis: Analysis | null }

const kept = new Map<string, Promise<Reading>>()
/** Decoded tracings of 240 KB each; a shift looks at the latest ones again and again. */
const MOST_KEPT = 12

async function fetchReading(exam: string): Promise<Reading> {
  const [wire, analysis] = await Promise.all([
    api.samples(exam),
    api.analysis(exam).catch((error: unknown) => { if (error instanceof Refused) return null; throw error }),
  ])
  return { exam, record: recordOf(wire), analysis }
}

export function readingOf(exam: string, again = false): Promise<Reading> {
  const known = kept.get(exam)
  if (known && !again) return known
  const coming = fetchReading(exam)
  kept.set(exam, coming)
  // what failed, or came without its analysis, is fetched anew the next time
  coming.then(r => { if (!r.analysis) kept.delete(exam) }, () => kept.delete(exam))
  if (kept.size > MOST_KEPT) kept.delete(kept.keys().next().value!)
  return coming
}
