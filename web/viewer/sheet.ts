import { signed, type Mark } from './evidence'
import { gridOf } from './grid'
import type { Cell, Layout } from './layout'
import { rgbOf, type Palette } from './palette'
import { columns, ink, pixels, stroke } from './raster'
import type { Trace } from './record'
import { pxPerMv, pxPerSample, yOf, type Gain, type Scale } from './scale'

export interface SheetOptions {
  layout: Layout
  /** CSS px per mm, and device pixels per CSS px. */
  pxPerMm: number; devicePixels: number
  gain: Gain
  colours: Palette
  /** J marks per lead, and the measured value that stands once beside them; empty hides all. */
  marks: Map<string, { at: Mark[]; valueMv: number }>
  /** Printed inside the sheet, so that a screenshot keeps it. */
  foot: string; warning: string | null
  /** Names and values larger, values beside the names: for a phone. */
  compact: boolean
}

export const sheetSizePx = (layout: Layout, pxPerMm: number, devicePixels: number) => ({
  width: Math.round(layout.widthMm * pxPerMm * devicePixels), height: Math.round(layout.heightMm * pxPerMm * devicePixels),
})

const TRACE_MM = 0.36
/** A line thinner than this breaks up on an old screen; a thicker one hides small Q waves. */
const LEAST_TRACE_PX = 1.25
const NAME_MM = 4.2, NAME_COMPACT_MM = 5.4
const FOOT_MM = 3.1, FOOT_COMPACT_MM = 4.3

/** Draws the whole sheet. The canvas gets its true size here: nothing is ever stretched into a box. */
export function drawSheet(canvas: HTMLCanvasElement, trace: Trace, options: SheetOptions) {
  const { layout, pxPerMm, devicePixels, colours } = options
  const px = pxPerMm * devicePixels
  const scale: Scale = { pxPerMm: px, gain: options.gain }
  const size = sheetSizePx(layout, pxPerMm, devicePixels)
  if (canvas.width !== size.width) canvas.width = size.width
  if (canvas.height !== size.height) canvas.height = size.height
  canvas.style.width = `${size.width / devicePixels}px`
  canvas.style.height = `${size.height / devicePixels}px`
  const context = canvas.getContext('2d')
  if (!context) return
  context.drawImage(gridOf(size.width, size.height, px, colours), 0, 0)
  const placed = layout.cells.map(cell => ({ cell, x0: cell.xMm * px, y0: cell.baseMm * px, from: Math.round(cell.fromS * trace.rateHz), to: Math.round((cell.fromS + cell.spanS) * trace.rateHz) }))

  for (const at of placed) shade(context, trace, at, scale, options)
  lines(context, trace, placed, scale, options, size)
  for (const at of placed) {
    mark(context, trace, at, scale, options)
    separator(context, at.cell, at.x0, at.y0, px, colours)
  }
  names(context, placed, px, options)
  foot(context, size, px, options)
}

interface Placed { cell: Cell; x0: number; y0: number; from: number; to: number }

function lines(context: CanvasRenderingContext2D, trace: Trace, placed: Placed[], scale: Scale, options: SheetOptions, size: { width: number; height: number }) {
  const px = scale.pxPerMm
  const widthPx = Math.max(LEAST_TRACE_PX * Math.min(2, options.devicePixels), TRACE_MM * px)
  const paper = ink(size.width, size.height)
  const step = pxPerSample(scale, trace.rateHz)
  for (const { cell, x0, y0, from, to } of placed) {
    const mv = trace.mv.get(cell.lead)
    if (mv) for (const run of columns({ mv, from, to, x0, y0, pxPerSample: step, pxPerMv: pxPerMv(scale) })) stroke(paper, run, widthPx)
    if (cell.column === 0) stroke(paper, pulse(y0, px, options.gain), widthPx * 0.9)
  }
  const scratch = document.createElement('canvas')
  scratch.width = size.width
  scratch.height = size.height
  scratch.getContext('2d')?.putImageData(new ImageData(pixels(paper, rgbOf(options.colours.trace)), size.width, size.height), 0, 0)
  context.drawImage(scratch, 0, 0)
}

/** The calibration pulse: 1 mV high at the sheet's own gain. */
function pulse(y0: number, px: number, gain: Gain): Float64Array {
  const top = y0 - gain * px
  return Float64Array.from([1 * px, y0, 2.5 * px, y0, 2.5 * px, top, 5.5 * px, top, 5.5 * px, y0, 7 * px, y0])
}

function marksIn(at: Placed, options: SheetOptions, step: number): { x: number; mark: Mark }[] {
  const found = at.cell.strip ? undefined : options.marks.get(at.cell.lead)
  const reach = 1.2 // mm that a mark needs around J
  return (found?.at ?? []).filter(m => m.sample > at.from + reach && m.sample < at.to - reach).map(m => ({ x: at.x0 + (m.sample - at.from) * step, mark: m }))
}

const ST_MM = 4.2

function shade(context: CanvasRenderingContext2D, trace: Trace, at: Placed, scale: Scale, options: SheetOptions) {
  const px = scale.pxPerMm
  for (const { x, mark: m } of marksIn(at, options, pxPerSample(scale, trace.rateHz))) {
    const base = yOf(m.baseMv, at.y0, scale), top = yOf(m.jMv, at.y0, scale)
    context.globalAlpha = 0.2
    context.fillStyle = options.colours.machine
    context.fillRect(x, Math.min(base, top), ST_MM * px, Math.abs(base - top))
    context.globalAlpha = 1
  }
}

function mark(context: CanvasRenderingContext2D, trace: Trace, at: Placed, scale: Scale, options: SheetOptions) {
  const px = scale.pxPerMm, { machine, paper } = options.colours
  const all = marksIn(at, options, pxPerSample(scale, trace.rateHz))
  for (const { x, mark: m } of all) {
    const base = yOf(m.baseMv, at.y0, scale), top = yOf(m.jMv, at.y0, scale)
    context.strokeStyle = machine
    context.lineWidth = Math.max(1, 0.22 * px)
    context.setLineDash([0.9 * px, 0.6 * px])
    context.beginPath(); context.moveTo(x - 3 * px, base); context.lineTo(x + (ST_MM + 2) * px, base); context.stroke()
    context.setLineDash([])
    context.lineWidth = Math.max(1.5, 0.65 * px)
    context.beginPath(); context.moveTo(x, base); context.lineTo(x, top); context.stroke()
    context.fillStyle = machine
    context.strokeStyle = paper
    context.lineWidth = 0.25 * px
    context.beginPath(); context.arc(x, top, 0.95 * px, 0, 2 * Math.PI); context.fill(); context.stroke()
  }
  const first = all[0], value = options.marks.get(at.cell.lead)
  if (!first || !value || options.compact) return
  const text = `${signed(value.valueMv)} mV`
  context.font = `700 ${3 * px}px ${options.colours.font}`
  const base = yOf(first.mark.baseMv, at.y0, scale), top = yOf(first.mark.jMv, at.y0, scale)
  const wide = context.measureText(text).width + 1.6 * px, high = 4.1 * px
  const left = Math.min(first.x - px, (at.cell.xMm + at.cell.spanS * 25) * px - wide)
  const upper = Math.max(base, top) + 1.5 * px
  box(context, left, upper, wide, high, 0.8 * px)
  context.fillStyle = options.colours.machineSoft
  context.fill()
  context.strokeStyle = options.colours.machineLine
  context.lineWidth = Math.max(1, 0.18 * px)
  context.stroke()
  context.fillStyle = machine
  context.textAlign = 'left'
  context.textBaseline = 'middle'
  context.fillText(text, left + 0.8 * px, upper + high / 2 + 0.15 * px)
}

function box(context: CanvasRenderingContext2D, x: number, y: number, w: number, h: number, r: number) {
  context.beginPath()
  context.moveTo(x + r, y)
  context.arcTo(x + w, y, x + w, y + h, r); context.arcTo(x + w, y + h, x, y + h, r)
  context.arcTo(x, y + h, x, y, r); context.arcTo(x, y, x + w, y, r)
  context.closePath()
}

function separator(context: CanvasRenderingContext2D, cell: Cell, x: number, y0: number, px: number, colours: Palette) {
  if (cell.column === 0) return
  context.fillStyle = colours.trace
  const wide = Math.max(1, Math.round(0.3 * px))
  context.fillRect(Math.round(x), y0 - 6.5 * px, wide, 2.5 * px)
  context.fillRect(Math.round(x), y0 + 4 * px, wide, 2.5 * px)
}

function names(context: CanvasRenderingContext2D, placed: Placed[], px: number, options: SheetOptions) {
  const mm = options.compact ? NAME_COMPACT_MM : NAME_MM
  context.font = `700 ${mm * px}px ${options.colours.font}`
  context.textAlign = 'left'
  context.textBaseline = 'alphabetic'
  context.lineJoin = 'round'
  context.strokeStyle = options.colours.paper
  context.lineWidth = 0.9 * px
  const write = (text: string, x: number, y: number, colour: string) => { context.strokeText(text, x, y); context.fillStyle = colour; context.fillText(text, x, y) }
  for (const { cell, x0 } of placed) {
    const y = (cell.topMm + mm + 0.7) * px
    write(cell.lead, x0 + px, y, options.colours.trace)
    const value = options.marks.get(cell.lead)
    if (options.compact && value && !cell.strip) write(signed(value.valueMv), x0 + 25 * px, y, options.colours.machine)
  }
}

function foot(context: CanvasRenderingContext2D, size: { width: number; height: number }, px: number, options: SheetOptions) {
  const left = options.layout.leftMm * px
  context.textBaseline = 'alphabetic'
  context.textAlign = 'left'
  context.strokeStyle = options.colours.paper
  context.lineWidth = 0.8 * px
  let fontPx = (options.compact ? FOOT_COMPACT_MM : FOOT_MM) * px
  context.font = `400 ${fontPx}px ${options.colours.font}`
  const room = size.width - left - 2 * px, needs = context.measureText(options.foot).width
  if (needs > room) { fontPx *= Math.max(0.7, room / needs); context.font = `400 ${fontPx}px ${options.colours.font}` }
  context.strokeText(options.foot, left, size.height - 1.7 * px)
  context.fillStyle = options.colours.note
  context.fillText(options.foot, left, size.height - 1.7 * px)
  if (!options.warning) return
  context.font = `700 ${3.4 * px}px ${options.colours.font}`
  const wide = context.measureText(options.warning).width + 5 * px
  box(context, size.width - wide - 2 * px, size.height - 12.5 * px, wide, 6 * px, px)
  context.fillStyle = options.colours.red
  context.fill()
  context.fillStyle = options.colours.redInk
  context.textBaseline = 'middle'
  context.fillText(options.warning, size.width - wide + 0.5 * px, size.height - 9.4 * px)
}
