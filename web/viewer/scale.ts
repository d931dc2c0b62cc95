/**
 * The paper's scale. A millivolt and a second have a fixed size, whatever the data, the window or the case:
 * 25 mm = 1 s and 10 mm = 1 mV (IEC 60601-2-25), and one px per mm for both directions. Nothing here ever looks at samples.
 */
export const MM_PER_S = 25
export const MM_PER_MV = 10
export type Gain = 5 | 10 | 20
export const GAINS: readonly Gain[] = [5, 10, 20]

export interface Scale {
  /** Device pixels per millimetre of paper, the same for both axes. */
  pxPerMm: number
  /** mm per mV. 10 is the standard; any other is shown in red. */
  gain: Gain
}

export const pxPerMv = (scale: Scale) => scale.gain * scale.pxPerMm
export const pxPerSecond = (scale: Scale) => MM_PER_S * scale.pxPerMm
export const pxPerSample = (scale: Scale, rateHz: number) => pxPerSecond(scale) / rateHz
/** Device y of a voltage on a row whose isoelectric line is at y0; up is smaller. */
export const yOf = (mv: number, y0: number, scale: Scale) => y0 - mv * pxPerMv(scale)

/** CSS px per mm: of two monitors that every county has, else what CSS itself assumes (96 / 25.4). */
export const KNOWN_SCREENS: readonly { width: number; height: number; pxPerMm: number; label: string }[] = [
  { width: 1366, height: 768, pxPerMm: 3.33, label: '18.5″ · 1366 × 768' },
  { width: 1920, height: 1080, pxPerMm: 4.03, label: '21.5″ · 1920 × 1080' },
]
export const ASSUMED_PX_PER_MM = 3.78
/** A bank card, ISO/IEC 7810 ID-1. */
export const CARD_MM = 85.6
export const LEAST_PX_PER_MM = 2, MOST_PX_PER_MM = 12

export interface Calibration { pxPerMm: number; calibrated: boolean }

/** What one millimetre is on this screen. A guess by the screen's size stays a guess: only a person calibrates. */
export function calibrationOf(kept: string | null, screen: { width: number; height: number }): Calibration {
  const value = Number(kept)
  if (kept !== null && value >= LEAST_PX_PER_MM && value <= MOST_PX_PER_MM) return { pxPerMm: value, calibrated: true }
  const known = KNOWN_SCREENS.find(s => s.width === screen.width && s.height === screen.height)
  return { pxPerMm: known?.pxPerMm ?? ASSUMED_PX_PER_MM, calibrated: false }
}
