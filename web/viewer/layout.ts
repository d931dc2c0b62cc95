import { MM_PER_S } from './scale'

/** Where each lead stands on the paper, in millimetres and seconds. Layouts are data; nothing here knows a sample. */
export type LayoutName = '3x4+1' | '12x1' | '6x2'
export const STANDARD = ['I', 'II', 'III', 'aVR', 'aVL', 'aVF', 'V1', 'V2', 'V3', 'V4', 'V5', 'V6'] as const

export interface Cell {
  lead: string
  /** mm from the sheet's left edge to the first sample. */
  xMm: number
  /** mm from the top to the row's top and to its isoelectric line. */
  topMm: number; baseMm: number
  fromS: number; spanS: number
  /** A rhythm strip repeats a lead below: it carries no values. */
  strip: boolean
  column: number; row: number
}
export interface Layout { name: LayoutName; cells: Cell[]; widthMm: number; heightMm: number; rowMm: number; leftMm: number; shownS: number }

/** Room for the calibration pulse before the first column. */
const LEFT_MM = 8
const FOOT_MM = 6
const RIGHT_MM = 1
const FULL_S = 10

interface Plan { rows: readonly (readonly string[])[]; columns: number; rowMm: number; base: number; topMm: number; simultaneous: boolean; strips: readonly string[] }
const PLANS: Record<LayoutName, Plan> = {
  '3x4+1': { rows: [['I', 'aVR', 'V1', 'V4'], ['II', 'aVL', 'V2', 'V5'], ['III', 'aVF', 'V3', 'V6']], columns: 4, rowMm: 26, base: 0.58, topMm: 4, simultaneous: false, strips: ['II'] },
  '12x1': { rows: STANDARD.map(lead => [lead]), columns: 1, rowMm: 15, base: 0.55, topMm: 9, simultaneous: true, strips: [] },
  '6x2': { rows: [['I', 'V1'], ['II', 'V2'], ['III', 'V3'], ['aVR', 'V4'], ['aVL', 'V5'], ['aVF', 'V6']], columns: 2, rowMm: 22, base: 0.6, topMm: 4, simultaneous: true, strips: [] },
}
/** Seconds of one column: 2.5 s is the paper's custom; a narrower window shows less time, never smaller time. */
export const FULL_COLUMN_S: Record<LayoutName, number> = { '3x4+1': 2.5, '12x1': 10, '6x2': 2.5 }
const LEAST_COLUMN_S: Record<LayoutName, number> = { '3x4+1': 2, '12x1': 10, '6x2': 2.5 }

/** The longest column, in tenths of a second, that a width in mm has room for; below the least one the sheet scrolls. */
export function columnSeconds(name: LayoutName, widthMm: number): number {
  const room = (widthMm - LEFT_MM - RIGHT_MM) / PLANS[name].columns / MM_PER_S
  const tenths = Math.floor(room * 10 + 1e-6) / 10
  return Math.min(FULL_COLUMN_S[name], Math.max(LEAST_COLUMN_S[name], tenths))
}

export function layoutOf(name: LayoutName, recordS = FULL_S, columnS = FULL_COLUMN_S[name]): Layout {
  const plan = PLANS[name]
  const columnMm = columnS * MM_PER_S
  const cells: Cell[] = []
  const lines: (readonly string[])[] = [...plan.rows, ...plan.strips.map(lead => [lead])]
  lines.forEach((row, r) => {
    const strip = r >= plan.rows.length
    row.forEach((lead, c) => {
      const topMm = plan.topMm + r * plan.rowMm
      const fromS = plan.simultaneous || strip ? 0 : c * columnS
      const room = strip ? columnS * plan.columns : columnS
      cells.push({
        lead, column: c, row: r, strip, topMm, baseMm: topMm + plan.rowMm * plan.base,
        xMm: LEFT_MM + c * columnMm, fromS, spanS: Math.max(0, Math.min(room, recordS - fromS)),
      })
    })
  })
  return {
    name, cells, rowMm: plan.rowMm, leftMm: LEFT_MM,
    widthMm: LEFT_MM + plan.columns * columnMm + RIGHT_MM,
    heightMm: plan.topMm + lines.length * plan.rowMm + FOOT_MM,
    shownS: Math.min(recordS, plan.simultaneous ? columnS : columnS * plan.columns),
  }
}
