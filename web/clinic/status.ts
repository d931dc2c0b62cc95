import type { Exam } from '../api/types'
import type { Entry } from './entry'

/** One thing that was sent: what is kept here, what the county knows of it, or both. */
export interface Sent { key: string; entry: Entry | null; exam: Exam | null }

/** 已保存 → 已送达 → 医生已看到 → 结果. `done` counts finished steps: each needs its own proof, the third a name. */
export type Step = 'saved' | 'delivered' | 'seen' | 'answer'
export const STEPS: readonly Step[] = ['saved', 'delivered', 'seen', 'answer']
export function done(sent: Sent): number {
  const stages = sent.exam?.stages
  if (stages?.answered_at && stages.answer) return 4
  if (stages?.seen_at) return 3
  if (sent.exam || sent.entry?.exam) return 2
  return sent.entry ? 1 : 0
}
/** An answer, or a message of the doctor's, that nobody here has read back. */
export const toRead = (sent: Sent) => (done(sent) === 4 && !sent.exam!.stages.read_back_at) || hasMessage(sent)
export const hasMessage = (sent: Sent) => (sent.exam?.messages ?? []).some(m => !m.read_back_at)
/** The doctor asked to record again, and no later tracing of the case is here. */
export function asksRetake(sent: Sent, all: readonly Sent[]): boolean {
  const mine = sent.exam
  if (!mine?.advice.some(a => a.code === 'RETAKE')) return false
  return !all.some(s => s.exam && s.exam.case === mine.case && s.exam.received_at > mine.received_at)
}

const sentAt = (sent: Sent) => (sent.exam ? Date.parse(sent.exam.received_at) : sent.entry?.savedAt ?? 0)
/** What waits for this clinic first (an answer nobody has read), then what waits for a doctor, then the rest; newest first. */
const group = (sent: Sent) => (toRead(sent) ? 0 : done(sent) < 4 ? 1 : 2)
export const inOrder = (list: readonly Sent[]): Sent[] => [...list].sort((a, b) => group(a) - group(b) || sentAt(b) - sentAt(a))

export function join(entries: readonly Entry[], exams: readonly Exam[]): Sent[] {
  const byExam = new Map(entries.filter(e => e.exam).map(e => [e.exam!, e]))
  const list: Sent[] = exams.map(exam => ({ key: byExam.get(exam.exam)?.id ?? exam.exam, entry: byExam.get(exam.exam) ?? null, exam }))
  const known = new Set(exams.map(e => e.exam))
  const seen = new Set<string>()
  // the same bytes sent twice are one exam: it has one row
  const rows = list.filter(s => !seen.has(s.exam!.exam) && seen.add(s.exam!.exam))
  for (const entry of entries) if (!entry.exam || !known.has(entry.exam)) rows.push({ key: entry.id, entry, exam: null })
  return inOrder(rows)
}

const FIRST_WAIT_MS = 1_000, LONGEST_WAIT_MS = 30_000
/** Waits between tries of sending; half is chance. */
export const retryMs = (attempts: number, chance: number) => {
  const full = Math.min(LONGEST_WAIT_MS, FIRST_WAIT_MS * 2 ** Math.min(attempts, 8))
  return full / 2 + (full / 2) * chance
}
/** Statuses after which the same bytes would be refused again: the file's or our words' fault, not the line's. */
export const isFinal = (status: number) => status >= 400 && status < 500 && ![401, 403, 408, 425, 429].includes(status)
