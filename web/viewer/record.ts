import type { Samples, Say } from '../api/types'

/** Samples in millivolts, lead after lead; NaN where the device marked them invalid. */
export interface Trace { rateHz: number; leads: string[]; samples: number; mv: Map<string, Float32Array> }
export interface AverageBeat extends Trace { qrsOn: number; j: number }
/** `filter` is what the server did to the samples before sending; null means that they are as recorded. */
export interface Record12 { trace: Trace; average: AverageBeat | null; filter: Say | null }

const INVALID = -32768

/** base64 of int16 little-endian → mV per lead. Throws RangeError when the length does not fit the leads. */
export function decode(base64: string, leads: string[], samples: number, rateHz: number): Trace {
  const bytes = Uint8Array.from(atob(base64), c => c.charCodeAt(0))
  if (bytes.length !== leads.length * samples * 2) throw new RangeError(`${bytes.length} bytes for ${leads.length} leads of ${samples}`)
  const view = new DataView(bytes.buffer)
  const mv = new Map<string, Float32Array>()
  leads.forEach((lead, k) => {
    const line = new Float32Array(samples)
    for (let i = 0; i < samples; i++) {
      const raw = view.getInt16((k * samples + i) * 2, true)
      line[i] = raw === INVALID ? NaN : raw / 1000
    }
    mv.set(lead, line)
  })
  return { rateHz, leads, samples, mv }
}

export function recordOf(wire: Samples): Record12 {
  const average = wire.average && {
    ...decode(wire.average.microvolts, wire.average.leads ?? wire.leads, wire.average.samples, wire.average.rate_hz),
    qrsOn: wire.average.qrs_on, j: wire.average.j,
  }
  return { trace: decode(wire.microvolts, wire.leads, wire.samples, wire.rate_hz), average, filter: wire.filter ?? null }
}

/** Mean of valid samples in [from, to), or NaN. */
export function mean(line: Float32Array, from: number, to: number): number {
  let sum = 0, n = 0
  for (let i = Math.max(0, Math.round(from)); i < Math.min(line.length, Math.round(to)); i++) {
    const v = line[i]!
    if (v === v) { sum += v; n++ }
  }
  return n ? sum / n : NaN
}
