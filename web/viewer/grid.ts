import type { Palette } from './palette'

const MINOR_MM = 0.16, MAJOR_MM = 0.24

/** Minor lines each mm, major each 5 mm, each at its own rounded place, so that rounding never adds up over the sheet. */
export function drawGrid(context: CanvasRenderingContext2D, widthPx: number, heightPx: number, pxPerMm: number, colours: Palette) {
  context.fillStyle = colours.paper
  context.fillRect(0, 0, widthPx, heightPx)
  for (const major of [false, true]) {
    // whole pixels keep the lines sharp; a line that should be thinner than one pixel is paler instead
    const thickness = (major ? MAJOR_MM : MINOR_MM) * pxPerMm, wide = Math.max(1, Math.round(thickness))
    context.globalAlpha = Math.min(1, thickness / wide)
    context.fillStyle = major ? colours.major : colours.minor
    for (let mm = 0; mm * pxPerMm < Math.max(widthPx, heightPx); mm++) {
      if ((mm % 5 === 0) !== major) continue
      const at = Math.round(mm * pxPerMm)
      if (at < widthPx) context.fillRect(at, 0, wide, heightPx)
      if (at < heightPx) context.fillRect(0, at, widthPx, wide)
    }
  }
  context.globalAlpha = 1
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
