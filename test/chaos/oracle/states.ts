/** How states may move, as the product's documentation has it. */
const INSTANCE: Record<string, readonly string[]> = {
  WAITING: ['RUNNING', 'CANCELLED'],
  RUNNING: ['WAITING', 'SUCCEEDED', 'FAILED', 'CANCELLED', 'TIMED_OUT'],
  SUCCEEDED: [],
  // Only a user takes a run out of these, by a retry.
  FAILED: ['WAITING'],
  CANCELLED: ['WAITING'],
  TIMED_OUT: ['WAITING'],
}
const ENDS = ['SUCCEEDED', 'FAILED', 'CANCELLED', 'TIMED_OUT', 'LOST']
const ATTEMPT: Record<string, readonly string[]> = {
  DISPATCHED: ['RUNNING', ...ENDS],
  RUNNING: ENDS,
  ...Object.fromEntries(ENDS.map((end) => [end, []])),
}
const LOG: Record<string, readonly string[]> = {
  open: ['sealed', 'interrupted', 'partial', 'expired'],
  interrupted: ['open', 'sealed', 'partial', 'expired'],
  partial: ['expired'],
  sealed: ['expired'],
  expired: [],
}
const TABLES = { instance: INSTANCE, attempt: ATTEMPT, log: LOG }

/** Whether one state can follow another, over however many that nobody saw. */
function canReach(table: Record<string, readonly string[]>, from: string, to: string): boolean {
  const seen = new Set([from])
  for (const state of seen) for (const next of table[state] ?? []) seen.add(next)
  return seen.has(to)
}

export const isFinal = (status: string): boolean => ENDS.includes(status)
export const isClosedLog = (state: string): boolean => state === 'sealed' || state === 'partial' || state === 'expired'

/** What one reading says of a run. */
export interface StateView {
  readonly status: string
  readonly attempts: readonly {
    readonly attempt: number
    readonly status: string
    /** The name of the worker that was given it. */
    readonly worker: string
    readonly logState: string
    readonly logLines: number
    readonly startedAt: string
    readonly finishedAt: string
  }[]
}

/** A server may take its last attempt back when no worker was given it: then the run waits again, or a user has cancelled it meanwhile. */
function isTakenBack(before: StateView, now: StateView): boolean {
  const [last, ...more] = before.attempts.slice(now.attempts.length)
  const wasNeverGiven = last?.status === 'DISPATCHED' && last.startedAt === '' && last.logLines === 0
  return wasNeverGiven && more.length === 0 && ['WAITING', 'RUNNING', 'CANCELLED'].includes(now.status)
}

/**
 * Compares two readings of a run, the second asked for after the first was answered. `wasRetried`: a user has asked for another attempt.
 * `mayBeOfFormer`: whether the former version may have had a hand in an attempt; that one stores a worker's times as they come.
 */
export function stateProblems(
  before: StateView | undefined,
  now: StateView,
  wasRetried: boolean,
  mayBeOfFormer: (attempt: number) => boolean = () => false,
): string[] {
  const problems: string[] = []
  const move = (what: string, kind: keyof typeof TABLES, from: string | undefined, to: string): void => {
    const table = TABLES[kind]
    if (table[to] === undefined) problems.push(`${what} is in the state ${to}, which there is not`)
    else if (from !== undefined && from !== to && !canReach(table, from, to)) problems.push(`${what} went from ${from} to ${to}`)
  }
  move('the run', 'instance', before?.status, now.status)
  if (before !== undefined && isFinal(before.status) && before.status !== now.status && !wasRetried)
    problems.push(`the run went from ${before.status} to ${now.status} although nobody retried it`)
  now.attempts.forEach(({ attempt, status, logState, logLines, startedAt, finishedAt }, i) => {
    if (attempt !== i + 1) problems.push(`attempt ${i + 1} is missing: there is ${attempt} in its place`)
    const was = before?.attempts[i]
    move(`attempt ${attempt}`, 'attempt', was?.status, status)
    move(`the log of attempt ${attempt}`, 'log', was?.logState, logState)
    if (was !== undefined && logLines < was.logLines && logState !== 'expired')
      problems.push(`the log of attempt ${attempt} had ${was.logLines} lines, then ${logLines}`)
    if (startedAt !== '' && finishedAt !== '' && finishedAt < startedAt && !mayBeOfFormer(attempt))
      problems.push(`attempt ${attempt} ended at ${finishedAt}, before it began at ${startedAt}`)
    if (i < now.attempts.length - 1 && !isFinal(status)) problems.push(`attempt ${attempt} is ${status} although there is a later one`)
  })
  if (before !== undefined && now.attempts.length < before.attempts.length && !isTakenBack(before, now))
    problems.push(`the run had ${before.attempts.length} attempts, then ${now.attempts.length}`)
  const last = now.attempts.at(-1)
  if (last !== undefined && isFinal(now.status) && !isFinal(last.status)) problems.push(`the run is ${now.status} although its last attempt is ${last.status}`)
  return problems
}
