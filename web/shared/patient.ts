import type { Patient } from '../api/types'
import { lang, t, type PlainKey } from '../words'

const SEX: Record<string, [PlainKey, PlainKey]> = { male: ['male', 'male_short'], female: ['female', 'female_short'] }

/** 男 50, M 50; nothing where nothing is known. */
export function sexAge(patient: Patient | null | undefined): string {
  if (!patient) return ''
  const sex = patient.sex ? SEX[patient.sex] : undefined
  return [sex ? t(sex[1]) : '', patient.age_years ?? ''].filter(part => part !== '').join(' ')
}
/** 王建国; 无名氏 20261124-1432-K7, as somebody is called until the name is known; unregistered in words. */
export const called = (patient: Patient | null | undefined): string => patient?.name || (patient?.number ? t('stranger', { n: patient.number }) : t('unregistered'))
/** 王建国 男 50. */
export const nameSexAge = (patient: Patient | null | undefined): string => [called(patient), sexAge(patient)].filter(Boolean).join(' ')
/** 男 · 50 岁 · 身份证尾号 3317 */
export function facts(patient: Patient | null | undefined): string {
  if (!patient) return ''
  const sex = patient.sex ? SEX[patient.sex] : undefined
  return [sex ? t(sex[0]) : '', patient.age_years === null || patient.age_years === undefined ? '' : t('years', { n: patient.age_years }), patient.id_tail ? t('idTail', { tail: patient.id_tail }) : ''].filter(Boolean).join(t('dot'))
}

export const SYMPTOMS = ['chest_pain', 'chest_tightness', 'radiating_pain', 'dyspnoea', 'sweating', 'syncope', 'presyncope'] as const
const KNOWN = new Set<string>(SYMPTOMS)
/** Chest pain, sweating; explicitly none and unknown are different sentences. */
export function symptomWords(symptoms: readonly string[] | null | undefined): string {
  if (!symptoms || symptoms.length === 0) return t('sx_unknown')
  if (symptoms.includes('none')) return t('sx_none_said')
  const words = symptoms.filter(s => KNOWN.has(s)).map(s => t(`sx_${s}` as PlainKey & `sx_${string}`))
  const first = words[0]
  if (!first) return t('sx_unknown')
  return lang.value === 'en' ? [first, ...words.slice(1).map(w => w.charAt(0).toLowerCase() + w.slice(1))].join(t('comma')) : words.join(t('comma'))
}
export const dialable = (phone: string) => `tel:${phone.replace(/[^\d+]/g, '')}`
