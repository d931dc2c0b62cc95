import type { Context } from '../api/types'

/** A tracing is kept on this device before anything is sent: 已保存 is true even if the power fails in the next second. */
export interface Entry {
  id: string
  /** Another clinic's account on this device neither sees nor sends it. */
  site: string
  savedAt: number
  files: { name: string; blob: Blob }[]
  context: Context
  attempts: number
  /** The county's receipt. */
  exam: string | null
  /** Why the county would never take it, in its own words. */
  refused: string | null
}
