import { describe, expect, test } from 'vitest'
import type { Exam, Stages } from '../api/types'
import type { Entry } from './entry'
import { done, isFinal, join, retryMs, toRead } from './status'

const stages = (more: Partial<Stages> = {}): Stages => ({ received_at: null, analysed_at: null, seen_at: null, seen_by: null, answered_at: null, answer: null, read_back_at: null, ...more })
const exam = (id: string, at: string, more: Partial<Stages> = {}): Exam => ({
  exam: id, sha256: '', bytes: 1, received_at: at, status: 'analysed', case: null, grade: null, advice: [], colour: null, filename: null,
  patient: null, symptoms: [], urgent: false, problem: null, instruction: null, stages: stages(more),
})
const entry = (id: string, of: string | null = null): Entry => ({ id, site: 's', savedAt: 5, files: [], context: {}, attempts: 0, exam: of, refused: null })
const answered: Partial<Stages> = { seen_at: 'x', answered_at: 'x', answer: { zh: '', en: '', colour: 'RED', by: null, at: 'x' } }

describe('a step is done only with its own proof', () => {
  test('kept here is not delivered; delivered is not seen; seen is not answered', () => {
    expect(done({ key: 'a', entry: entry('a'), exam: null })).toBe(1)
    expect(done({ key: 'a', entry: entry('a', 'x'), exam: null })).toBe(2)
    expect(done({ key: 'a', entry: null, exam: exam('x', '2026-01-01T00:00:00Z') })).toBe(2)
    expect(done({ key: 'a', entry: null, exam: exam('x', '2026-01-01T00:00:00Z', { seen_at: 'x' }) })).toBe(3)
    expect(done({ key: 'a', entry: null, exam: exam('x', '2026-01-01T00:00:00Z', answered) })).toBe(4)
  })
})

describe('what was sent lately', () => {
  const list = join([entry('e1', 'x1'), entry('e2')], [
    exam('old', '2026-01-01T03:00:00Z', { ...answered, read_back_at: 'x' }),
    exam('x1', '2026-01-01T01:00:00Z'),
    exam('new', '2026-01-01T02:00:00Z', answered),
  ])
  test('an unread answer first, then what waits, then the rest', () => {
    expect(list.map(s => s.key)).toEqual(['new', 'e1', 'e2', 'old'])
    expect(toRead(list[0]!)).toBe(true)
  })
  test('one sent file is one row, whether known here, there or in both places', () => {
    expect(list).toHaveLength(4)
    expect(list[1]).toMatchObject({ entry: { id: 'e1' }, exam: { exam: 'x1' } })
  })
})

describe('sending again', () => {
  test('waits longer, up to half a minute', () => {
    expect(retryMs(0, 0)).toBe(500)
    expect(retryMs(50, 1)).toBe(30_000)
  })
  test('a cut line, a full server or an ended session never loses the file; a bad file is not sent for ever', () => {
    for (const status of [401, 408, 429, 500, 503]) expect(isFinal(status)).toBe(false)
    for (const status of [400, 413, 422]) expect(isFinal(status)).toBe(true)
  })
})
