/** States of instances, attempts and log streams, their allowed transitions, and every question asked about them. */

export const INSTANCE_STATUSES = ['WAITING', 'RUNNING', 'SUCCEEDED', 'FAILED', 'CANCELLED', 'TIMED_OUT'] as const
export type InstanceStatus = (typeof INSTANCE_STATUSES)[number]

/** WAITING again from a final state is a retry, by policy (from RUNNING) or asked for by a user (from a failure). */
export const INSTANCE_TRANSITIONS: Readonly<Record<InstanceStatus, readonly InstanceStatus[]>> = {
  WAITING: ['RUNNING', 'CANCELLED'],
  RUNNING: ['WAITING', 'SUCCEEDED', 'FAILED', 'CANCELLED', 'TIMED_OUT'],
  SUCCEEDED: [],
  FAILED: ['WAITING'],
  CANCELLED: ['WAITING'],
  TIMED_OUT: ['WAITING'],
}

export const ATTEMPT_STATUSES = ['DISPATCHED', 'RUNNING', 'SUCCEEDED', 'FAILED', 'CANCELLED', 'TIMED_OUT', 'LOST'] as const
export type AttemptStatus = (typeof ATTEMPT_STATUSES)[number]

/** DISPATCHED: given to a worker, not yet reported as started. LOST: its lease ran out or its worker no longer knows it. */
export const ATTEMPT_TRANSITIONS: Readonly<Record<AttemptStatus, readonly AttemptStatus[]>> = {
  DISPATCHED: ['RUNNING', 'SUCCEEDED', 'FAILED', 'CANCELLED', 'TIMED_OUT', 'LOST'],
  RUNNING: ['SUCCEEDED', 'FAILED', 'CANCELLED', 'TIMED_OUT', 'LOST'],
  SUCCEEDED: [],
  FAILED: [],
  CANCELLED: [],
  TIMED_OUT: [],
  LOST: [],
}

/** How an instance ends, and how a worker may report the end of an attempt. */
export const FINISHED_STATUSES = ['SUCCEEDED', 'FAILED', 'CANCELLED', 'TIMED_OUT'] as const satisfies readonly InstanceStatus[]
export type FinishedStatus = (typeof FINISHED_STATUSES)[number]

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

/** Attempt statuses in which a worker holds a lease. */
export const LEASED_ATTEMPT_STATUSES: readonly AttemptStatus[] = ['DISPATCHED', 'RUNNING']

export const isFinalInstance = (status: InstanceStatus): boolean => status !== 'WAITING' && status !== 'RUNNING'
export const isLeasedAttempt = (status: AttemptStatus): boolean => LEASED_ATTEMPT_STATUSES.includes(status)
export const isFinalAttempt = (status: AttemptStatus): boolean => !isLeasedAttempt(status)
/** A user may ask for another attempt of an instance that ended without success. */
export const canRetryInstance = (status: InstanceStatus): boolean => INSTANCE_TRANSITIONS[status].includes('WAITING') && isFinalInstance(status)
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

/** Which ends of a run another job may run after. */
export const AWAITED_ENDS = ['success', 'failure', 'any'] as const
export type AwaitedEnd = (typeof AWAITED_ENDS)[number]

/** Whether a run ended so. Cancelled is neither a success nor a failure: someone wanted it to end. */
export function isAwaitedEnd(awaited: AwaitedEnd, status: InstanceStatus): boolean {
  switch (awaited) {
    case 'success':
      return status === 'SUCCEEDED'
    case 'failure':
      return status === 'FAILED' || status === 'TIMED_OUT'
    case 'any':
      return isFinalInstance(status)
  }
}
