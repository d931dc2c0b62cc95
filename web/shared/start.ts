import { createApp, watchEffect, type Component } from 'vue'
import '../style/tokens.css'
import '../style/base.css'
import { lang, setLang, t, type PlainKey } from '../words'
import { startTheme, type Theme } from './theme'

/** The same four lines for every page: theme, language, title, mount. */
export function start(page: Component, title: PlainKey & ('brand' | `title_${string}`), theme: Theme = 'light') {
  startTheme(theme)
  setLang(lang.value)
  watchEffect(() => { document.title = t(title) })
  createApp(page).mount('#app')
}
