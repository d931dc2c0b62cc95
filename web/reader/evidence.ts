import type { Evidence } from '../api/types'
import { lang } from '../words'
import { signed } from '../viewer/evidence'

/** Evidence as chips: lead · value with its sign · comparison · limit; the unit stands once for a group. */
const OPS: Record<string, string> = { '>=': '≥', '<=': '≤', '>': '>', '<': '<', '==': '=' }
/** Contracted measure names → what a cardiologist calls them. */
const LABELS: Record<string, string> = { pr_ms: 'PR', qrs_ms: 'QRS', qt_ms: 'QT', qtc_ms: 'QTc', p_ms: 'P', q_ms: 'Q', q_mv: 'Q', r_ms: 'R', s_ms: 'S', r_mv: 'R', s_mv: 'S', t_mv: 'T', p_mv: 'P', rr_ms: 'RR' }
const UNITS: [RegExp, { zh: string; en: string }][] = [[/_mv_ms$/, { zh: 'mV·ms', en: 'mV·ms' }], [/_mv$/, { zh: 'mV', en: 'mV' }], [/_ms$/, { zh: 'ms', en: 'ms' }], [/_bpm$/, { zh: '次/分', en: '/min' }], [/_hz$/, { zh: 'Hz', en: 'Hz' }], [/_deg$/, { zh: '°', en: '°' }]]

export const unitOf = (measure: string): string => UNITS.find(([end]) => end.test(measure))?.[1][lang.value] ?? ''
const isSt = (measure: string) => /^st_/.test(measure)

const SAID: Record<string, { zh: string; en: string }> = {
  heart_rate_bpm: { zh: '心率', en: 'rate' }, p_share: { zh: 'P 波占比', en: 'P before QRS' }, p_axis_deg: { zh: 'P 电轴', en: 'P axis' },
  max_rr_ms: { zh: '最长 RR', en: 'longest RR' }, min_rr_ms: { zh: '最短 RR', en: 'shortest RR' }, rr_sd_ms: { zh: 'RR 标准差', en: 'SD of RR' },
  delta_share: { zh: 'δ 波占比', en: 'beats with delta' }, ventricular_beats: { zh: '室性心搏', en: 'ventricular beats' }, run_beats: { zh: '连发心搏', en: 'beats in a run' },
  leads_chaotic: { zh: '混乱导联数', en: 'chaotic leads' }, dominant_hz: { zh: '主频', en: 'main frequency' }, quiet_share: { zh: '静止占比', en: 'quiet share' },
  r_peak_ms: { zh: 'R 峰时间', en: 'R peak time' }, qrs_area_mv_ms: { zh: 'QRS 面积', en: 'QRS area' },
  k_grade: { zh: '高钾分级', en: 'potassium grade' }, t_width_qt: { zh: 'T 半高宽/QT', en: 'T width/QT' }, u_mv: { zh: 'U 波', en: 'U' }, qat_ms: { zh: 'QaTc', en: 'QaTc' },
  t_onset_ms: { zh: 'J 至 T 起点', en: 'J to T' }, pr_segment_mv: { zh: 'PR 段', en: 'PR segment' }, take_off_mv: { zh: 'ST 起点', en: 'take-off' }, take_off_80_mv: { zh: '起点后 80 ms', en: '80 ms later' },
  r2_base_ms: { zh: 'r′ 底宽', en: 'base of r′' }, epsilon_mv: { zh: 'QRS 后切迹', en: 'notch behind QRS' }, jp_mv: { zh: 'J 波峰', en: 'J wave' }, driver4: { zh: '四变量公式', en: '4-variable value' },
  qrs_axis_deg: { zh: 'QRS 电轴', en: 'QRS axis' }, t_axis_deg: { zh: 'T 电轴', en: 'T axis' }, cornell_mv: { zh: 'Cornell', en: 'Cornell' }, sokolow_mv: { zh: 'Sokolow', en: 'Sokolow' },
}
function label(measure: string): string {
  if (isSt(measure)) return measure === 'st_j_mv' ? '' : measure.replace(/^st_/, '').replace(/_mv$/, '').toUpperCase()
  if (SAID[measure]) return SAID[measure][lang.value]
  return LABELS[measure] ?? measure.replace(/_(mv|ms|bpm|deg)$/, '').replace(/_/g, ' ')
}
const number = (e: { measure: string }, value: number): string => {
  if (/_mv$/.test(e.measure)) return value.toFixed(2)
  return Math.abs(value) >= 10 || Number.isInteger(value) ? String(Math.round(value)) : String(Math.round(value * 100) / 100)
}

export function chip(e: Evidence, withUnit = false): string {
  const value = isSt(e.measure) ? signed(e.value) : number(e, e.value).replace('-', '−')
  const limit = e.limit === null || e.limit === undefined ? '' : ` ${OPS[e.op] ?? e.op} ${number(e, e.limit).replace('-', '−')}`
  const unit = withUnit ? ` ${unitOf(e.measure)}` : ''
  return [e.lead ?? '', label(e.measure), value].filter(Boolean).join(' ') + limit + unit
}

/** One line for an alarm: II +0.27, III +0.29 ≥ 0.10 mV. At most five leads: the sheet has the rest. */
export function line(evidence: readonly Evidence[] | null | undefined): string {
  const st = (evidence ?? []).filter(e => isSt(e.measure) && e.lead)
  const comma = lang.value === 'en' ? ', ' : '、'
  if (st.length > 0) return `${st.slice(0, 5).map(e => `${e.lead} ${signed(e.value)}`).join(comma)} mV`
  return (evidence ?? []).slice(0, 3).map(e => chip(e, true)).join(comma)
}
