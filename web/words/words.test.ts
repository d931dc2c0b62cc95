import { beforeEach, describe, expect, test } from 'vitest'
import { dictionary } from './dictionary'
import { fill, lang, say, setLang, t } from '.'

const names = (text: string) => [...text.matchAll(/\{(\w+)\}/g)].map(m => m[1]).sort()

describe('the dictionary', () => {
  beforeEach(() => setLang('zh'))
  test('every entry says the same in both languages', () => {
    for (const [key, pair] of Object.entries(dictionary)) {
      expect(pair.zh.trim(), key).not.toBe('')
      expect(pair.en.trim(), key).not.toBe('')
      expect(names(pair.zh), key).toEqual(names(pair.en))
    }
  })
  test('no entry reassures or shouts', () => {
    for (const [key, pair] of Object.entries(dictionary)) {
      expect(pair.zh, key).not.toMatch(/排除心梗|可以回家|心脏没问题|请稍候|[!！]/)
      expect(pair.en, key).not.toMatch(/exclude MI|safe to go home|!/)
    }
  })
  test('a language switch is kept and told to screen readers', () => {
    setLang('en')
    expect(lang.value).toBe('en')
    expect(document.documentElement.lang).toBe('en')
    expect(localStorage.getItem('ecgnet.lang')).toBe('en')
    expect(t('RED')).toBe('Critical')
  })
  test('parameters are filled, unknown ones stay visible', () => {
    expect(t('newRows', { n: 2 })).toContain('2')
    expect(fill('{a} {b}', { a: 1 })).toBe('1 {b}')
  })
  test('a pair of the server falls back to the language it has', () => {
    expect(say({ zh: '', en: 'only English' })).toBe('only English')
    expect(say(null)).toBe('')
  })
})
