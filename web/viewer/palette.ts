/** Colours of the paper, read from the tokens so that light and dark stay one source. */
export interface Palette {
  paper: string; minor: string; major: string; trace: string; note: string
  machine: string; machineSoft: string; machineLine: string; red: string; redInk: string; font: string
}

export function paletteOf(element: Element): Palette {
  const style = getComputedStyle(element)
  const token = (name: string) => style.getPropertyValue(`--${name}`).trim()
  return {
    paper: token('paper'), minor: token('paper-minor'), major: token('paper-major'), trace: token('trace'), note: token('paper-note'),
    machine: token('machine'), machineSoft: token('machine-soft'), machineLine: token('machine-line'),
    red: token('red'), redInk: token('red-ink'), font: token('font') || 'sans-serif',
  }
}

/** `#rrggbb` → 0xRRGGBB; anything else is black, which is seen at once. */
export const rgbOf = (hex: string): number => (/^#[0-9a-f]{6}$/i.test(hex) ? parseInt(hex.slice(1), 16) : 0)
