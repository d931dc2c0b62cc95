import { ref } from 'vue'

export type Theme = 'light' | 'dark'
const STORE = 'ecgnet.theme'
const read = (otherwise: Theme): Theme => { try { const kept = localStorage.getItem(STORE); return kept === 'dark' || kept === 'light' ? kept : otherwise } catch { return otherwise } }

export const theme = ref<Theme>('light')
export function setTheme(to: Theme, keep = true) {
  theme.value = to
  document.documentElement.dataset.theme = to
  if (keep) try { localStorage.setItem(STORE, to) } catch { /* kept for this page only */ }
}
export const startTheme = (otherwise: Theme = 'light') => setTheme(read(otherwise), false)
