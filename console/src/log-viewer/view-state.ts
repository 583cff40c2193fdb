import type { ReactNode } from 'react'
import type { Stamps } from './logic/stamps'

/** How a log is looked at; all of it is in the URL. */
export type ViewState = {
  /** What is searched for; '' for nothing. */
  q: string
  isRegex: boolean
  isCaseSensitive: boolean
  /** Only lines that match, with some around them. */
  onlyMatches: boolean
  /** Only what was written to stderr. */
  onlyStderr: boolean
  stamps: Stamps
  isWrapped: boolean
}
export type ChangeView = (change: Partial<ViewState>) => void

/** Rows before the first line and after the last one that are not of the log: what came before it, and what follows. */
export type Borders = { head?: ReactNode; tail?: ReactNode }
