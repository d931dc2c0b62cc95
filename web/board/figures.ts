/** Where today's answers, their median and the number to beat stand on the scale, in percent of its length. */
const USUAL_S = 180, STEP_S = 60
export interface AnswerScale { most: number; dots: number[]; median: number | null; mark: number }

export function scaleOf(values: readonly number[], median: number | null, mark: number): AnswerScale {
  const longest = Math.max(0, ...values)
  const most = longest <= USUAL_S ? USUAL_S : Math.ceil(longest / STEP_S) * STEP_S
  const at = (s: number) => Math.min(100, (s / most) * 100)
  return { most, dots: values.map(at), median: median === null ? null : at(median), mark: at(mark) }
}
