import type { Palette } from './palette'

/** Minor lines each mm, major each 5 mm, each at its own rounded place, so that rounding never adds up over the sheet. */
export function drawGrid(context: CanvasRenderingContext2D, widthPx: number, heightPx: number, pxPerMm: number, colours: Palette) {
  context.fillStyle = colours.paper
  context.fillRect(0, 0, widthPx, heightPx)
  const thin = Math.max(1, Math.round(0.14 * pxPerMm)), thick = Math.max(1, Math.round(0.2 * pxPerMm))
  for (const major of [false, true]) {
    context.fillStyle = major ? colours.major : colours.minor
    const wide = major ? thick : thin
    for (let mm = 0; mm * pxPerMm < Math.max(widthPx, heightPx); mm++) {
      if ((mm % 5 === 0) !== major) continue
      const at = Math.round(mm * pxPerMm)
      if (at < widthPx) context.fillRect(at, 0, wide, heightPx)
      if (at < heightPx) context.fillRect(0, at, widthPx, wide)
    }
  }
}

const kept = new Map<string, HTMLCanvasElement>()
/** A few sheet sizes and themes; each is one canvas of at most some megabytes. */
const MOST_KEPT = 6

/** The grid as a cached picture: drawn once per size, scale and theme. */
export function gridOf(widthPx: number, heightPx: number, pxPerMm: number, colours: Palette): HTMLCanvasElement {
  const key = [widthPx, heightPx, pxPerMm, colours.paper, colours.major].join('|')
  const known = kept.get(key)
  if (known) return known
  const canvas = document.createElement('canvas')
  canvas.width = widthPx
  canvas.height = heightPx
  const context = canvas.getContext('2d')
  if (context) drawGrid(context, widthPx, heightPx, pxPerMm, colours)
  if (kept.size >= MOST_KEPT) kept.delete(kept.keys().next().value!)
  kept.set(key, canvas)
  return canvas
}
