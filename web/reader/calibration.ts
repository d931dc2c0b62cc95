import { computed, ref } from 'vue'
import { calibrationOf } from '../viewer'

/** px per mm of this screen, kept on this device. */
const STORE = 'ecgnet.px-per-mm'
const kept = ref<string | null>((() => { try { return localStorage.getItem(STORE) } catch { return null } })())
export const calibration = computed(() => calibrationOf(kept.value, { width: window.screen.width, height: window.screen.height }))
export function calibrate(pxPerMm: number) {
  kept.value = String(Math.round(pxPerMm * 1000) / 1000)
  try { localStorage.setItem(STORE, kept.value) } catch { /* for this page only */ }
}
