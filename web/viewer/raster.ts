/**
 * An own rasteriser for ECG lines, because a tracing of 12 × 5000 samples must be drawn in a few milliseconds by an old PC
 * and no spike may be lost. Two steps, both pure:
 *
 * 1. `columns` reduces the samples to the first, lowest, highest and last of every pixel column, in their own order and at
 *    their own x (minimum and maximum per column: a pacemaker spike of one sample survives at its full height);
 * 2. `stroke` draws the reduced line with round, anti-aliased strokes: the coverage of a pixel follows from its distance to
 *    the nearest segment, so that steep strokes keep the full width that a plain column filler would take from them.
 */

/** Alpha per pixel, row after row. */
export interface Ink { width: number; height: number; alpha: Uint8ClampedArray }
export const ink = (width: number, height: number): Ink => ({ width, height, alpha: new Uint8ClampedArray(width * height) })

export interface Line {
  mv: Float32Array
  from: number; to: number
  /** Device px of sample `from`, and the isoelectric line. */
  x0: number; y0: number
  pxPerSample: number; pxPerMv: number
}

/** Flat [x, y, x, y, …] per unbroken stretch; an invalid sample breaks the line. */
export function columns(line: Line): Float64Array[] {
  const { mv, x0, y0, pxPerSample, pxPerMv } = line
  const from = Math.max(0, line.from), to = Math.min(mv.length, line.to)
  const runs: Float64Array[] = []
  let run: number[] = []
  let column = NaN, first = 0, low = 0, high = 0, last = 0
  const x = (i: number) => x0 + (i - line.from) * pxPerSample
  const put = (i: number) => run.push(x(i), y0 - mv[i]! * pxPerMv)
  const flush = () => {
    if (Number.isNaN(column)) return
    put(first)
    const a = Math.min(low, high), b = Math.max(low, high)
    if (a !== first && a !== last) put(a)
    if (b !== a && b !== first && b !== last) put(b)
    if (last !== first) put(last)
    column = NaN
  }
  const end = () => { flush(); if (run.length) runs.push(Float64Array.from(run)); run = [] }
  for (let i = from; i < to; i++) {
    const v = mv[i]!
    if (v !== v) { end(); continue }
    const c = Math.floor(x(i))
    if (c !== column) { flush(); column = c; first = low = high = last = i; continue }
    if (v < mv[low]!) low = i
    if (v > mv[high]!) high = i
    last = i
  }
  end()
  return runs
}

/** Draws a reduced line into the ink; `widthPx` is the stroke's width. The strongest coverage wins, so crossings stay even. */
export function stroke(into: Ink, points: Float64Array, widthPx: number) {
  const r = widthPx / 2
  if (points.length === 2) segment(into, points[0]!, points[1]!, points[0]!, points[1]!, r)
  for (let i = 2; i < points.length; i += 2) segment(into, points[i - 2]!, points[i - 1]!, points[i]!, points[i + 1]!, r)
}

function segment(into: Ink, x1: number, y1: number, x2: number, y2: number, r: number) {
  const { width, height, alpha } = into
  const reach = r + 0.5
  const left = Math.max(0, Math.floor(Math.min(x1, x2) - reach)), right = Math.min(width - 1, Math.ceil(Math.max(x1, x2) + reach))
  const top = Math.max(0, Math.floor(Math.min(y1, y2) - reach)), bottom = Math.min(height - 1, Math.ceil(Math.max(y1, y2) + reach))
  const dx = x2 - x1, dy = y2 - y1, length2 = dx * dx + dy * dy
  const full = (r - 0.5) * Math.max(0, r - 0.5), none = reach * reach
  for (let py = top; py <= bottom; py++) {
    const cy = py + 0.5 - y1
    let at = py * width + left
    for (let px = left; px <= right; px++, at++) {
      const cx = px + 0.5 - x1
      let along = length2 ? (cx * dx + cy * dy) / length2 : 0
      if (along < 0) along = 0
      else if (along > 1) along = 1
      const ex = cx - along * dx, ey = cy - along * dy
      const d2 = ex * ex + ey * ey
      if (d2 >= none) continue
      const cover = d2 <= full ? 255 : (reach - Math.sqrt(d2)) * 255
      if (cover > alpha[at]!) alpha[at] = cover
    }
  }
}

/** Ink in one colour as pixels; transparent where nothing was drawn. `rgb` is 0xRRGGBB. */
export function pixels(from: Ink, rgb: number): Uint8ClampedArray<ArrayBuffer> {
  const out = new Uint8ClampedArray(from.alpha.length * 4)
  const words = new Uint32Array(out.buffer)
  const base = ((rgb & 0xff) << 16) | (rgb & 0xff00) | ((rgb >> 16) & 0xff)
  const { alpha } = from
  for (let i = 0; i < alpha.length; i++) if (alpha[i]) words[i] = (base | (alpha[i]! << 24)) >>> 0
  return out
}
