import { onBeforeUnmount, onMounted, ref } from 'vue'

/** The window's width as a value, for what is not only a matter of CSS. */
export function useWidth() {
  const width = ref(window.innerWidth)
  const measure = () => { width.value = window.innerWidth }
  onMounted(() => addEventListener('resize', measure))
  onBeforeUnmount(() => removeEventListener('resize', measure))
  return width
}
