import { ref } from 'vue'
import { dictionary } from './dictionary'

/** Two languages, one dictionary. `t('key', {n: 3})` is checked by vue-tsc: the key, and every {name} in either language. */
export type Lang = 'zh' | 'en'
type Dictionary = typeof dictionary
export type Key = keyof Dictionary
type Names<S extends string> = S extends `${string}{${infer N}}${infer Rest}` ? N | Names<Rest> : never
/** Keys whose words take no parameter: what a table of keys may hold. */
export type PlainKey = { [K in Key]: [Names<Dictionary[K][Lang]>] extends [never] ? K : never }[Key]
type Args<K extends Key> = [Names<Dictionary[K][Lang]>] extends [never] ? [] : [{ [N in Names<Dictionary[K][Lang]>]: string | number }]

const STORE = 'ecgnet.lang'
const read = (): Lang => { try { return localStorage.getItem(STORE) === 'en' ? 'en' : 'zh' } catch { return 'zh' } }
export const lang = ref<Lang>(read())

export function fill(text: string, values?: Record<string, string | number>): string {
  return values ? text.replace(/\{(\w+)\}/g, (whole, name: string) => (name in values ? String(values[name]) : whole)) : text
}
export const t = <K extends Key>(key: K, ...args: Args<K>): string => fill(dictionary[key][lang.value], args[0])
/** A pair that the server wrote. */
export const say = (pair: { zh: string; en: string } | null | undefined): string => (pair ? pair[lang.value] || pair.zh || pair.en : '')

export function setLang(to: Lang) {
  lang.value = to
  try { localStorage.setItem(STORE, to) } catch { /* a private window keeps it for this page only */ }
  document.documentElement.lang = to === 'en' ? 'en' : 'zh-CN'
}
