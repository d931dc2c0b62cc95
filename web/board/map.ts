import type { Item, Site } from '../api/types'

/** The county as dots. Places come as 0..1; where they are not known the clinics stand in a grid, township by township. */
export const WIDTH = 760, HEIGHT = 720, MARGIN = 34
export interface Dot { site: Site; x: number; y: number }

export function dotsOf(sites: readonly Site[]): Dot[] {
  if (sites.length > 0 && sites.every(s => s.x !== null && s.y !== null)) {
    return sites.map(site => ({ site, x: MARGIN + site.x! * (WIDTH - 2 * MARGIN), y: MARGIN + site.y! * (HEIGHT - 2 * MARGIN) }))
  }
  const sorted = [...sites].sort((a, b) => a.township.localeCompare(b.township, 'zh') || a.name.localeCompare(b.name, 'zh'))
  const across = Math.max(1, Math.ceil(Math.sqrt((sorted.length * WIDTH) / HEIGHT)))
  const pitch = (WIDTH - 2 * MARGIN) / across
  return sorted.map((site, i) => ({ site, x: MARGIN + (i % across + 0.5) * pitch, y: MARGIN + (Math.floor(i / across) + 0.5) * pitch }))
}

/** Convex hull (Andrew's chain) as SVG points: the county's ground behind its dots, without a map file. */
export function hull(dots: readonly { x: number; y: number }[]): string {
  const points = [...dots].sort((a, b) => a.x - b.x || a.y - b.y)
  if (points.length < 3) return ''
  const turn = (o: { x: number; y: number }, a: { x: number; y: number }, b: { x: number; y: number }) => (a.x - o.x) * (b.y - o.y) - (a.y - o.y) * (b.x - o.x)
  const half = (list: typeof points) => {
    const chain: typeof points = []
    for (const p of list) {
      while (chain.length >= 2 && turn(chain[chain.length - 2]!, chain[chain.length - 1]!, p) <= 0) chain.pop()
      chain.push(p)
    }
    return chain.slice(0, -1)
  }
  return [...half(points), ...half([...points].reverse())].map(p => `${p.x.toFixed(1)},${p.y.toFixed(1)}`).join(' ')
}

export interface Label { dot: Dot; item: Item; left: boolean; width: number; y: number }
const CHAR_ZH = 18, CHAR_EN = 10, ROOM = 76, HIGH = 36
/** Labels of open cases, moved apart so that none covers another. */
export function labelsOf(dots: readonly Dot[], items: readonly Item[]): Label[] {
  const bySite = new Map(dots.map(d => [d.site.id, d]))
  const labels: Label[] = []
  const taken = new Set<string>()
  for (const item of items) {
    const dot = bySite.get(item.site)
    if (!dot || taken.has(item.site)) continue
    taken.add(item.site)
    const width = [...item.site_name].reduce((sum, c) => sum + (c.charCodeAt(0) > 0x2e80 ? CHAR_ZH : CHAR_EN), 0) + ROOM
    labels.push({ dot, item, left: dot.x + 24 + width > WIDTH, width, y: dot.y })
  }
  labels.sort((a, b) => a.y - b.y)
  for (let i = 1; i < labels.length; i++) {
    const mine = labels[i]!
    for (const other of labels.slice(0, i)) {
      const from = (l: Label) => (l.left ? l.dot.x - 20 - l.width : l.dot.x - 20), to = (l: Label) => (l.left ? l.dot.x + 20 : l.dot.x + 20 + l.width)
      if (from(mine) < to(other) && from(other) < to(mine) && mine.y - other.y < HIGH) mine.y = other.y + HIGH
    }
  }
  return labels
}
