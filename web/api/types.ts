/** Shapes of the contract `/v1` as the screens use them. Times are ISO UTC strings; ids are strings; units are in names. */

export type Colour = 'RED' | 'ORANGE' | 'YELLOW' | 'GREEN'
export type Role = 'clinic' | 'cardiologist' | 'coordinator' | 'administrator'
/** A sentence that the server wrote in both languages. */
export interface Say { zh: string; en: string }
export interface CodedSay extends Say { code: string }
export interface Who { id: string; name: string }

export interface Person extends Who { role: Role; sites: string[] }
export interface SiteRef { id: string; name: string; township: string; phone: string }
export interface SignedIn { token: string; expires_at: string; person: Person }
export interface Session { person: Person; expires_at: string; county: { id: string; name: string; phone: string }; site: SiteRef | null }

export interface Patient { name: string | null; number?: string | null; sex: string | null; age_years: number | null; id_tail?: string | null }
export interface Alert { id: string; colour: Colour; reason?: Say | null; evidence?: Evidence[] | null; raised_at: string; step: number; next_step_at: string | null; acknowledged_at: string | null }
export type CaseState = 'open' | 'acknowledged' | 'confirmed' | 'downgraded' | 'stood_down'

/** One tracing under two names: nobody confirms, downgrades or signs before a human has looked. */
export interface Held extends CodedSay { exam: string }

/** One row of the worklist. `colour` is null while nothing could be read. `seq` is the last event of the case. */
export interface Item {
  case: string; colour: Colour | null; reason: Say | null; state: CaseState; owner: Who | null
  site: string; site_name: string; township: string | null; phone: string | null; owner_until_at?: string | null; held?: Held | null; drill?: boolean
  patient: Patient | null; doubt?: Say | null; symptoms: string[]; grade: string | null; exam: string; seq: number
  opened_at: string; due_at: string | null; received_at?: string | null; urgent?: boolean; exam_status?: ExamStatus; alert: Alert | null
}
export interface Worklist { seq: number; items: Item[]; next: string | null }

/** `what` says of a `case.changed` what was done. */
export interface HistoryLine { at: string; kind: string; what: 'decision' | 'retake' | 'stopped' | 'released' | 'report' | 'merged' | 'held' | 'owner' | null; actor: Who | null; reason: string | null; step?: number | null; colour?: Colour | null }
export interface Answer extends Say { note?: string | null; decision?: string; colour: Colour | null; by: Who | string | null; at: string; action?: Say | null }
export interface CaseDocument extends Item {
  exams: string[]; owner_at: string | null; acknowledged_at: string | null; seen_at: string | null; seen_by: Who | null
  answer: Answer | null; read_back_at?: string | null; legal: string[]; history: HistoryLine[]
  report?: Report | null; earlier_reports?: Report[]; messages?: Message[]; links?: Link[]; comparison?: Comparison | null; patient_id: string | null; merges: Merge[]
}
/** `accepted` is null while nobody has decided about the machine's finding. */
export interface Statement { code: string; name: Say; from: 'finding' | 'doctor'; accepted: boolean | null; text: string | null }
/** `state` is null while there is only what the machine proposes. */
export interface Report {
  id: string | null; number: number; state: 'draft' | 'signed' | 'amended' | null; exam: string; statements: Statement[]; text: string
  author: Who | null; signed_at: string | null; signed_by: Who | null; amends: string | null; reason: string | null
}
export interface Message { id: string; from: Who | null; text: string; at: string; read_back_at: string | null; read_back_by: Who | null; read_back: string | null }
export interface Link { exam: string; other: string; how: 'duplicate' | 'retake' | 'wrong-patient'; at: string; resolved: string | null }
export interface Comparison { exam: string; unchanged?: boolean | null; changes?: unknown[]; [more: string]: unknown }
export interface Known { code: string; group: string; zh: string; en: string }
export type StandDownReason = 'artefact' | 'lead_reversal' | 'known_unchanged' | 'early_repolarisation' | 'old_infarction' | 'wrong_patient' | 'other'

export type ExamStatus = 'received' | 'analysed' | 'unreadable' | 'failed'
export interface Stages {
  received_at: string | null; analysed_at: string | null; seen_at: string | null; seen_by: Who | null
  answered_at: string | null; answer: Answer | null; read_back_at: string | null
}
export interface Receipt { exam: string; sha256: string; bytes: number; received_at: string; status: ExamStatus; advice?: CodedSay[] }
/** One sentence and one action, in the village's words. */
export interface Instruction extends Say { action?: Say | null }
export interface Exam extends Receipt {
  case: string | null; case_seq?: number | null; grade: string | null; advice: CodedSay[]; colour: Colour | null; filename: string | null
  patient: Patient | null; symptoms: string[]; urgent: boolean; problem: CodedSay | null; messages?: Message[]; instruction: Instruction | null; stages: Stages
}
/** What the clinic may say about the patient; every field may be missing. */
export interface Context {
  urgent?: boolean; symptoms?: string[]
  patient?: { name?: string; birth_date?: string; sex?: string }
}

/** int16 little-endian in base64, lead after lead; −32768 is an invalid sample. */
export interface Samples {
  rate_hz: number; leads: string[]; samples: number; microvolts: string; filter?: Say | null
  average: { rate_hz: number; leads?: string[]; samples: number; qrs_on: number; j: number; microvolts: string } | null
}

export interface Evidence { lead: string | null; measure: string; value: number; op: string; limit: number | null }
export interface Finding {
  code: string; name: Say; state: string; certainty: string; evidence: Evidence[]
  argued: { mimic: string; kept: boolean; why: Say }[]; source: string | null; ruleset: string | null
  hints?: Say[]
}
export interface LeadMeasures { st_j_mv?: number | null; [measure: string]: number | null | undefined }
export interface Analysis {
  schema: string
  software: { version: string; ruleset: string }
  recording: { format: string; rate_hz: number; samples: number; leads: string[]; acquired_at: string | null }
  notes: { code: string; lead: string | null; zh: string; en: string }[]
  quality: { grade: string; leads: Record<string, { grade: string; defects: string[] }>; advice: CodedSay[] }
  waves: { global: { beat: number; qrs: [number | null, number | null, number | null] | null }[] }
  measurements: {
    heart_rate_bpm: number | null; pr_ms: number | null; qrs_ms: number | null; qt_ms: number | null
    qtc_ms: Record<string, number | null> | null; leads: Record<string, LeadMeasures>
  }
  findings: Finding[]
  not_assessed: { code: string; missing: string[]; why: Say }[]
}

export type Slot = 'first' | 'backup' | 'coordinator' | 'chief' | 'director'
export interface Reachable extends Who { phone: string | null }
/** Somebody on call; `id` is the shift's. */
export interface RosterSlot { slot: Slot; person: Reachable; id: string; to_at: string }
export interface Shift extends RosterSlot { from_at: string }
/** `to_at` is null where nobody ever comes. */
export interface Gap { slot: Slot; from_at: string; to_at: string | null }
export interface HandOver { text: string; at: string; by: Who }
/** Who can be put on call, and where; told only to those who may do it. */
export interface Candidate extends Reachable { slots: Slot[] }
export interface Rosters { now: RosterSlot[]; next: Shift[]; gaps: Gap[]; hand_over: HandOver | null; people: Candidate[] }

/** Two records that are held to be one patient. */
export interface Merge {
  id: string; kept: string; merged: string; state: 'proposed' | 'merged' | 'undone'; reason: string
  proposed_at: string; proposed_by: Who; confirmed_at: string | null; confirmed_by: Who | null; undone_at: string | null; undone_by: Who | null
}
export interface PatientRecord { name: string | null; sex: string | null; birth_date: string | null; id_tail: string | null; site_name: string }
export interface ListedMerge extends Merge { records: { kept: PatientRecord; merged: PatientRecord } }

/** One message of a call; `person` is null for a group's. */
export interface Delivery { person: Who | null; channel: string; state: 'waiting' | 'tried' | 'delivered' | 'seen' | 'failed' | 'withdrawn'; tried_at: string | null; delivered_at: string | null; seen_at: string | null; receipt: string | null; problem: string | null }
export interface Call { number: number; step: number; at: string; why: string; called: { slot: Slot; person: Who; channels: string[] }[]; messages: Delivery[] }
export interface Ladder { alert: string; colour: Colour; state: string; raised_at: string; next_step_at: string | null; stopped_at: string | null; stop_reason: string | null; drill: boolean; calls: Call[] }

export interface Figures {
  at: string; seq?: number
  alert_to_ack: { median_s: number | null; n: number; values_s: number[] }
  tnmg_s: number
  today: { exams: number; red: number; orange: number; poor_quality: number; first_ecg_10min: { met: number; of: number } | null }
  open: Item[]
}
export interface Site extends SiteRef { x: number | null; y: number | null; last_exam_at: string | null; sent_today: number; open_colour: Colour | null; live_at: string | null; expected_every_s: number | null; silent_at: string | null
  /** The last beat of its devices, and the ECGs that they hold; training and a test ECG make it live. */
  heard_at: string | null; waiting: number; waiting_since_at: string | null; trained_at: string | null; test_exam: string | null
}

/** `application/problem+json`; 409 carries what would be legal. */
export interface Problem { type?: string; title: string; detail?: string; status: number; legal?: string[] }
