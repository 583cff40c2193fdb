/** States of tasks, instances, attempts and log streams, every move between them, and every question asked about them. */

/** Something that happens: from which statuses it may, and to which it leads. */
export type Move<S extends string> = { readonly from: readonly S[]; readonly to: readonly S[] }

export const INSTANCE_STATUSES = ['WAITING', 'RUNNING', 'SUCCEEDED', 'FAILED', 'CANCELLED', 'TIMED_OUT'] as const
export type InstanceStatus = (typeof INSTANCE_STATUSES)[number]

/** DISPATCHED: given to a worker, not yet reported as started. LOST: its lease ran out or its worker no longer knows it. */
export const ATTEMPT_STATUSES = ['DISPATCHED', 'RUNNING', 'SUCCEEDED', 'FAILED', 'CANCELLED', 'TIMED_OUT', 'LOST'] as const
export type AttemptStatus = (typeof ATTEMPT_STATUSES)[number]

/** How an instance ends, and how a worker may report the end of an attempt. */
export const FINISHED_STATUSES = ['SUCCEEDED', 'FAILED', 'CANCELLED', 'TIMED_OUT'] as const satisfies readonly InstanceStatus[]
export type FinishedStatus = (typeof FINISHED_STATUSES)[number]

/** Attempt statuses in which a worker holds a lease. */
export const LEASED_ATTEMPT_STATUSES: readonly AttemptStatus[] = ['DISPATCHED', 'RUNNING']

/** All that happens to a task. What becomes of the one task of a plain instance becomes of the instance. */
export const TASK_MOVES: Readonly<Record<'claim' | 'unclaim' | 'settle' | 'cancel' | 'retry', Move<InstanceStatus>>> = {
  /** An attempt at it was made. */
  claim: { from: ['WAITING'], to: ['RUNNING'] },
  /** That attempt was given to no worker. CANCELLED: a user asked for it meanwhile. */
  unclaim: { from: ['RUNNING'], to: ['WAITING', 'CANCELLED'] },
  /** An attempt has ended; WAITING for another one. From WAITING: the server that made the attempt died before it had claimed the task. */
  settle: { from: ['WAITING', 'RUNNING'], to: ['WAITING', ...FINISHED_STATUSES] },
  /** It is not to be attempted any more. */
  cancel: { from: ['WAITING'], to: ['CANCELLED'] },
  /** A user asks for another attempt. */
  retry: { from: ['FAILED', 'CANCELLED', 'TIMED_OUT'], to: ['WAITING'] },
}

/** All that happens to an attempt once it was made. */
export const ATTEMPT_MOVES: Readonly<Record<'start' | 'end' | 'lose', Move<AttemptStatus>>> = {
  start: { from: LEASED_ATTEMPT_STATUSES, to: ['RUNNING'] },
  end: { from: LEASED_ATTEMPT_STATUSES, to: FINISHED_STATUSES },
  lose: { from: LEASED_ATTEMPT_STATUSES, to: ['LOST'] },
}

/**
 * sealed: whole, everything that the process wrote is stored and checked. partial: everything that was captured is stored and checked, but something is known to be
 * missing, or may be: the losses say what. expired: its lines were removed by the retention of its namespace; what it had is known.
 */
export const LOG_STATES = ['open', 'sealed', 'partial', 'interrupted', 'expired'] as const
export type LogState = (typeof LOG_STATES)[number]

export const LOG_TRANSITIONS: Readonly<Record<LogState, readonly LogState[]>> = {
  open: ['sealed', 'partial', 'interrupted', 'expired'],
  interrupted: ['open', 'sealed', 'partial', 'expired'],
  sealed: ['expired'],
  partial: ['expired'],
  expired: [],
}

/** Nothing is added to such a log any more. */
export const isClosedLog = (state: LogState): boolean => LOG_TRANSITIONS[state].every((next) => next === 'expired')
/** All that was captured is stored and checked, whether or not that is all that was written. */
export const isCheckedLog = (state: LogState): boolean => state === 'sealed' || state === 'partial'

export const isFinalInstance = (status: InstanceStatus): boolean => status !== 'WAITING' && status !== 'RUNNING'
export const isLeasedAttempt = (status: AttemptStatus): boolean => LEASED_ATTEMPT_STATUSES.includes(status)
export const isFinalAttempt = (status: AttemptStatus): boolean => !isLeasedAttempt(status)
/** A user may ask for another attempt of an instance that ended without success. */
export const canRetryInstance = (status: InstanceStatus): boolean => TASK_MOVES.retry.from.includes(status)
/** CANCELLED was asked for by a user, so the retry policy does not apply to it. */
export const isRetriedByPolicy = (status: AttemptStatus): boolean => status === 'FAILED' || status === 'TIMED_OUT' || status === 'LOST'

/** The status that an instance takes when its last attempt ended so and no further attempt follows. */
export function instanceStatusAfter(attempt: AttemptStatus): InstanceStatus {
  switch (attempt) {
    case 'SUCCEEDED':
    case 'FAILED':
    case 'CANCELLED':
    case 'TIMED_OUT':
      return attempt
    case 'LOST':
      return 'FAILED'
    case 'DISPATCHED':
    case 'RUNNING':
      return 'RUNNING'
  }
}
