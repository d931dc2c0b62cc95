/** What may kill stands first, the rhythm that is as it should be last; within a group the instrument's own order. */
const WEIGHT: [RegExp, number][] = [[/^STEMI_/, 0], [/^R_(VF|VT|TDP|ASYS|AVB3)/, 0], [/^(E_|STE_|S_HYPERK)/, 1], [/^(T_|Q_|S_|C_|R_AVB)/, 2], [/^R_SINUS$/, 9]]
const weight = (code: string) => WEIGHT.find(([form]) => form.test(code))?.[1] ?? 5
export const byWeight = <T extends { code: string }>(list: readonly T[]): T[] => [...list].sort((a, b) => weight(a.code) - weight(b.code))
