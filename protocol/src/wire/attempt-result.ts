import { cutText } from '../domain/cut-text.js'
import { holdJson, type ReadJson, readUserJson, readUserValue } from '../json/json-text.js'
import type { StreamTotals } from '../log/chunk.js'
import { type AttemptEnd, MAX_ERROR_LENGTH, type ReportedEnd } from './worker.js'

type Result = Pick<AttemptEnd, 'result' | 'resultText'>

/** The result in the form in which ends carry it; null for none. `problem`: why it was left out, for people. */
export function resultOf(read: ReadJson): Result & { problem: string | null } {
  if ('problem' in read) return { result: null, problem: `The result was left out: it ${read.problem}` }
  const { value, text } = holdJson<unknown>(read.text, null)
  return text === undefined ? { result: value, problem: null } : { result: null, resultText: text, problem: null }
}

/**
 * An end as it may be stored and sent on: whoever wrote it (a worker of another version or another make), its result is within the bounds and in the exact form, or it is
 * left out and `error` says so. The status stays what it was.
 */
export function boundedEnd<L extends StreamTotals | null>(end: ReportedEnd<L>): ReportedEnd<L> {
  const { result, resultText, ...rest } = end
  if (resultText === undefined && (result === null || result === undefined)) return { ...rest, result: null }
  const { problem, ...held } = resultOf(resultText === undefined ? readUserValue(result) : readUserJson(resultText))
  return { ...rest, ...held, error: problem === null ? end.error : withNote(end.error, problem) }
}

/** An error and something else that people should know. */
export const withNote = (error: string | null, note: string): string =>
  error === null ? cutText(note, MAX_ERROR_LENGTH) : `${cutText(error, MAX_ERROR_LENGTH - note.length - 2)}; ${note}`
