import { describe, expect, test } from 'vitest'
import { FULL_COLUMN_S, STANDARD, columnSeconds, layoutOf } from './layout'
import { columns, ink, pixels, stroke, type Line } from './raster'
import { decode, recordOf } from './record'
import { ASSUMED_PX_PER_MM, calibrationOf, pxPerMv, pxPerSample, pxPerSecond, yOf, type Scale } from './scale'
import { marksOf } from './evidence'

const scale = (pxPerMm: number, gain: 5 | 10 | 20 = 10): Scale => ({ pxPerMm, gain })
const line = (mv: Float32Array, more: Partial<Line> = {}): Line => ({ mv, from: 0, to: mv.length, x0: 0, y0: 100, pxPerSample: 0.2, pxPerMv: 40, ...more })
const base64 = (values: number[]) => btoa(String.fromCharCode(...new Uint8Array(Int16Array.from(values).buffer)))

describe('the paper is true', () => {
  test.each([3.33, 3.78, 4.03, 8.06])('1 mV is exactly 10 mm and 1 s exactly 25 mm at %f px/mm', px => {
    expect(pxPerMv(scale(px))).toBe(10 * px)
    expect(100 - yOf(1, 100, scale(px))).toBeCloseTo(10 * px, 9)
    expect(pxPerSecond(scale(px))).toBe(25 * px)
    expect(pxPerSample(scale(px), 500) * 500).toBeCloseTo(25 * px, 9)
  })
  test('gain 5 is half and 20 twice, never something between', () => {
    expect(pxPerMv(scale(4, 5))).toBe(20)
    expect(pxPerMv(scale(4, 20))).toBe(80)
  })
  test('the drawn line has the height of its voltage, whatever the other samples are', () => {
    for (const other of [0.01, 8]) {
      const mv = new Float32Array(400)
      mv[100] = 1
      mv[300] = -other
      const [points] = columns(line(mv, { pxPerMv: pxPerMv(scale(4.03)) }))
      const ys = [...points!].filter((_, i) => i % 2 === 1)
      expect(100 - Math.min(...ys)).toBeCloseTo(40.3, 4)
    }
  })
  test('an uncalibrated screen is said to be so; only a person calibrates', () => {
    expect(calibrationOf(null, { width: 1280, height: 720 })).toEqual({ pxPerMm: ASSUMED_PX_PER_MM, calibrated: false })
    expect(calibrationOf(null, { width: 1366, height: 768 })).toEqual({ pxPerMm: 3.33, calibrated: false })
    expect(calibrationOf(null, { width: 1920, height: 1080 })).toEqual({ pxPerMm: 4.03, calibrated: false })
    expect(calibrationOf('3.9', { width: 1366, height: 768 })).toEqual({ pxPerMm: 3.9, calibrated: true })
    expect(calibrationOf('900', { width: 1366, height: 768 }).calibrated).toBe(false)
  })
})

describe('no sample is lost', () => {
  test.each([1, 2, 3, 57, 4999])('a one-sample spike at %i keeps its full height', at => {
    const mv = new Float32Array(5000)
    mv[at] = 2
    const [points] = columns(line(mv))
    expect(Math.min(...points!.filter((_, i) => i % 2 === 1))).toBeCloseTo(20, 4)
    const paper = ink(1000, 200)
    stroke(paper, points!, 1.4)
    const x = Math.min(999, Math.floor(at * 0.2))
    const column = (c: number) => paper.alpha[25 * 1000 + c] ?? 0
    expect(Math.max(column(x - 1), column(x), column(x + 1))).toBeGreaterThan(120)
  })
  test('spikes both ways in one column are both drawn', () => {
    const mv = new Float32Array(50)
    mv[21] = 1
    mv[23] = -1
    const [points] = columns(line(mv))
    const ys = points!.filter((_, i) => i % 2 === 1)
    expect([Math.min(...ys), Math.max(...ys)]).toEqual([60, 140])
  })
  test('far fewer points than samples', () => {
    const mv = Float32Array.from({ length: 50_000 }, (_, i) => Math.sin(i))
    expect(columns(line(mv, { pxPerSample: 0.02 }))[0]!.length).toBeLessThan(1000 * 4 * 2 + 8)
  })
  test('an invalid sample breaks the line and invents nothing', () => {
    const mv = new Float32Array(100).fill(0)
    mv.fill(NaN, 40, 60)
    const runs = columns(line(mv, { pxPerSample: 1 }))
    expect(runs).toHaveLength(2)
    expect(runs[0]!.at(-2)).toBe(39)
    expect(runs[1]![0]).toBe(60)
  })
})

describe('a stroke', () => {
  const inked = (points: number[]) => { const paper = ink(40, 40); stroke(paper, Float64Array.from(points), 2); return paper }
  test('a steep one is as wide as a flat one', () => {
    const flat = inked([5, 20, 35, 20]), steep = inked([20, 5, 20, 35])
    const across = (get: (i: number) => number) => Array.from({ length: 40 }, (_, i) => get(i)).reduce((a, b) => a + b, 0)
    const thin = across(i => flat.alpha[i * 40 + 20]!), tall = across(i => steep.alpha[20 * 40 + i]!)
    expect(thin).toBe(tall)
    expect(thin / 255).toBeCloseTo(2, 1)
  })
  test('outside the paper draws nothing and breaks nothing', () => {
    expect(inked([-100, -50, -10, -5]).alpha.every(a => a === 0)).toBe(true)
  })
  test('pixels carry the colour only where ink is', () => {
    const out = pixels(inked([5, 20, 35, 20]), 0x102030)
    const at = (20 * 40 + 20) * 4
    expect([...out.slice(at, at + 4)]).toEqual([0x10, 0x20, 0x30, 255])
    expect([...out.slice(0, 4)]).toEqual([0, 0, 0, 0])
  })
})

describe('layouts', () => {
  test('3×4+1 is 259 mm wide, each column 2.5 s, and shows every lead once beside the strip', () => {
    const sheet = layoutOf('3x4+1')
    expect(sheet.widthMm).toBe(259)
    const cells = sheet.cells.filter(c => !c.strip)
    expect(cells.map(c => c.lead).sort()).toEqual([...STANDARD].sort())
    expect(cells.filter(c => c.column === 2).every(c => c.fromS === 5 && c.spanS === 2.5 && c.xMm === 133)).toBe(true)
    expect(sheet.cells.find(c => c.strip)).toMatchObject({ lead: 'II', fromS: 0, spanS: 10 })
  })
  test.each(['12x1', '6x2'] as const)('%s shows all twelve', name => {
    expect(new Set(layoutOf(name).cells.map(c => c.lead)).size).toBe(12)
  })
  test('a narrow window shows less time, not a smaller second', () => {
    const narrow = columnSeconds('3x4+1', 228)
    expect(narrow).toBe(2.1)
    const cell = layoutOf('3x4+1', 10, narrow).cells.find(c => c.lead === 'V4')!
    expect((cell.xMm - 8) / 3 / 25).toBeCloseTo(2.1, 9)
    expect(columnSeconds('3x4+1', 100)).toBe(2)
    expect(columnSeconds('3x4+1', 900)).toBe(FULL_COLUMN_S['3x4+1'])
  })
  test('a record of one second leaves the other columns empty', () => {
    expect(layoutOf('3x4+1', 1).cells.filter(c => c.spanS > 0 && !c.strip).every(c => c.column === 0)).toBe(true)
  })
})

describe('the record from the wire', () => {
  test('is int16 little-endian microvolts, −32768 invalid', () => {
    const trace = decode(base64([1000, -32768, -500, 0]), ['I', 'II'], 2, 500)
    expect(trace.mv.get('I')![0]).toBe(1)
    expect(trace.mv.get('I')![1]).toBeNaN()
    expect(trace.mv.get('II')![0]).toBe(-0.5)
  })
  test('of a wrong length is refused', () => {
    expect(() => decode(base64([1, 2, 3]), ['I', 'II'], 2, 500)).toThrow(RangeError)
  })
  test('may have no average beat', () => {
    expect(recordOf({ rate_hz: 500, leads: ['I'], samples: 1, microvolts: base64([1]), average: null }).average).toBeNull()
  })
})

describe('evidence lies on the trace', () => {
  test('from the isoelectric line before QRS to the mean of J −2…+6 ms', () => {
    const mv = new Float32Array(1000).fill(0.1)
    mv.fill(0.4, 250, 320)
    const trace = { rateHz: 500, leads: ['II'], samples: 1000, mv: new Map([['II', mv]]) }
    const [mark] = marksOf(trace, 'II', [[200, 220, 250]], 1)
    expect(mark!.sample).toBe(250)
    expect(mark!.baseMv).toBeCloseTo(0.1, 5)
    expect(mark!.jMv).toBeCloseTo(0.325, 5) // one of the four samples lies before J
  })
  test('an absent QRS makes no mark', () => {
    const trace = { rateHz: 500, leads: ['II'], samples: 10, mv: new Map([['II', new Float32Array(10)]]) }
    expect(marksOf(trace, 'II', [null, [null, 3, 5], [1, 3, null]], 1)).toEqual([])
  })
})
