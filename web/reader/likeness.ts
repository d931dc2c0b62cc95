import type { Patient } from '../api/types'

/** How much two records speak for one patient: only the order in which they are offered, never a decision. */
export function likeness(a: Patient | null, b: Patient | null): number {
  if (!a || !b) return 0
  const same = <T>(one: T | null | undefined, other: T | null | undefined) => one !== null && one !== undefined && one === other
  const apart = (one: unknown, other: unknown) => one !== null && one !== undefined && other !== null && other !== undefined && one !== other
  const years = a.age_years !== null && b.age_years !== null ? Math.abs(a.age_years - b.age_years) : null
  return (same(a.id_tail, b.id_tail) ? 4 : 0) + (same(a.name, b.name) ? 3 : 0) + (years !== null && years <= 1 ? 1 : 0) + (same(a.sex, b.sex) ? 1 : 0) - (apart(a.sex, b.sex) ? 2 : 0)
}
