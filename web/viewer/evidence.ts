import type { Analysis } from '../api/types'
import { mean, type Trace } from './record'

/** One J mark: from the isoelectric line (20 ms before QRS onset) to J (mean of J−2…J+6 ms), CLINICAL.md §2.2. */
export interface Mark { sample: number; baseMv: number; jMv: number }
type Qrs = [number | null, number | null, number | null] | null

export function marksOf(trace: Trace, lead: string, beats: readonly Qrs[], ratio: number): Mark[] {
  const line = trace.mv.get(lead)
  if (!line) return []
  const ms = trace.rateHz / 1000
  const marks: Mark[] = []
  for (const qrs of beats) {
    if (!qrs || qrs[0] === null || qrs[2] === null) continue
    const on = qrs[0] * ratio, j = qrs[2] * ratio
    const baseMv = mean(line, on - 20 * ms, on), jMv = mean(line, j - 2 * ms, j + 6 * ms)
    if (Number.isNaN(baseMv) || Number.isNaN(jMv)) continue
    marks.push({ sample: j, baseMv, jMv })
  }
  return marks
}

/** Leads that a finding rests on by their ST level at J, with the measured value in mV. */
export function stEvidence(analysis: Analysis | null): Map<string, number> {
  const found = new Map<string, number>()
  for (const finding of analysis?.findings ?? []) {
    for (const e of finding.evidence) {
      if (e.lead && e.measure.startsWith('st_') && Number.isFinite(e.value) && !found.has(e.lead)) {
        const atJ = analysis!.measurements.leads[e.lead]?.st_j_mv
        found.set(e.lead, typeof atJ === 'number' ? atJ : e.value)
      }
    }
  }
  return found
}

/** +0.27, −0.16, 0.00 — the sign is a true minus, and zero has none. */
export function signed(mv: number, digits = 2): string {
  const rounded = Math.abs(mv).toFixed(digits)
  return Number(rounded) === 0 ? rounded : (mv < 0 ? '−' : '+') + rounded
}
