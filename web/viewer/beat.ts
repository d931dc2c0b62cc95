import { gridOf } from './grid'
import { rgbOf, type Palette } from './palette'
import { columns, ink, pixels, stroke } from './raster'
import { mean, type AverageBeat } from './record'
import { MM_PER_MV, MM_PER_S, pxPerMv, pxPerSample, yOf } from './scale'

/** One average beat on its own small paper. All twelve share one scale and one height, so that they may be compared. */
export interface BeatFrame { widthMm: number; heightMm: number; baseMm: number; fromSample: number }

const BEFORE_QRS_MS = 150
const MARGIN_MM = 1.5

/** The window that fits these leads of the record: width fixed in time, height by the tallest and deepest of them. */
export function frameOf(beat: AverageBeat, widthMm = 20, leads: readonly string[] = beat.leads): BeatFrame {
  const fromSample = Math.max(0, beat.qrsOn - (BEFORE_QRS_MS * beat.rateHz) / 1000)
  const to = fromSample + (widthMm / MM_PER_S) * beat.rateHz
  let up = 0.5, down = 0.3
  for (const lead of leads) {
    const line = beat.mv.get(lead)
    if (!line) continue
    const base = baseOf(beat, line)
    for (let i = Math.floor(fromSample); i < Math.min(line.length, to); i++) {
      const v = line[i]! - base
      if (v > up) up = v
      if (-v > down) down = -v
    }
  }
  const baseMm = Math.ceil(up * MM_PER_MV + MARGIN_MM)
  return { widthMm, heightMm: baseMm + Math.ceil(down * MM_PER_MV + MARGIN_MM), baseMm, fromSample }
}

const baseOf = (beat: AverageBeat, line: Float32Array): number => {
  const base = mean(line, beat.qrsOn - 0.02 * beat.rateHz, beat.qrsOn)
  return Number.isNaN(base) ? 0 : base
}
/** ST at J against the isoelectric line, measured on the average beat; null where it cannot be. */
export function jOf(beat: AverageBeat, lead: string): number | null {
  const line = beat.mv.get(lead)
  if (!line) return null
  const value = mean(line, beat.j - 0.002 * beat.rateHz, beat.j + 0.006 * beat.rateHz) - baseOf(beat, line)
  return Number.isNaN(value) ? null : value
}

export function drawBeat(canvas: HTMLCanvasElement, beat: AverageBeat, lead: string, frame: BeatFrame, options: { pxPerMm: number; devicePixels: number; marked: boolean; colours: Palette }) {
  const { colours } = options
  const px = options.pxPerMm * options.devicePixels
  const width = Math.round(frame.widthMm * px), height = Math.round(frame.heightMm * px)
  canvas.width = width
  canvas.height = height
  const context = canvas.getContext('2d')
  const line = beat.mv.get(lead)
  if (!context) return
  context.drawImage(gridOf(width, height, px, colours), 0, 0)
  if (!line) return
  const scale = { pxPerMm: px, gain: MM_PER_MV } as const
  const base = baseOf(beat, line), zero = frame.baseMm * px
  const y0 = zero + base * pxPerMv(scale)
  context.fillStyle = colours.note
  context.fillRect(0, Math.round(zero), width, Math.max(1, 0.14 * px))
  const j = jOf(beat, lead), step = pxPerSample(scale, beat.rateHz)
  const x = (beat.j - frame.fromSample) * step
  if (options.marked && j !== null) {
    context.fillStyle = colours.machine
    const top = yOf(j, zero, scale)
    context.fillRect(x - 0.3 * px, Math.min(zero, top), 0.6 * px, Math.abs(zero - top))
  }
  const paper = ink(width, height)
  const from = Math.floor(frame.fromSample)
  for (const run of columns({ mv: line, from, to: line.length, x0: (from - frame.fromSample) * step, y0, pxPerSample: step, pxPerMv: pxPerMv(scale) })) stroke(paper, run, Math.max(1.3 * Math.min(2, options.devicePixels), 0.42 * px))
  const scratch = document.createElement('canvas')
  scratch.width = width
  scratch.height = height
  scratch.getContext('2d')?.putImageData(new ImageData(pixels(paper, rgbOf(colours.trace)), width, height), 0, 0)
  context.drawImage(scratch, 0, 0)
  if (options.marked && j !== null) {
    context.fillStyle = colours.machine
    context.strokeStyle = colours.paper
    context.lineWidth = 0.25 * px
    context.beginPath(); context.arc(x, yOf(j, zero, scale), 0.95 * px, 0, 2 * Math.PI); context.fill(); context.stroke()
  }
}
