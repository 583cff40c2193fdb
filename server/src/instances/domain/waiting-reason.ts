import type { WaitingFor } from '@jobtrail/api/instances'

/** What the answer depends on. Times are ms since the epoch. */
export type WaitingFacts = {
  now: number
  dueAt: number
  /** Latest attempt: above 0 a retry is what it waits for. */
  attempt: number
  heldForConcurrency: number | null
  namespace: string
  group: string
  tags: readonly string[]
  handler: string | null
  /** Connected workers of namespace and group. */
  workersInGroup: readonly { tags: readonly string[]; handlers: readonly string[]; freeSlots: number }[]
  /** Those of them that have every tag and the handler. */
  ableWorkers: readonly { freeSlots: number; slots: number }[]
  /** Names of those that could take it, were they not draining. */
  drainingWorkers: readonly string[]
  position: number
}

const MAX_NAMES = 5

/** Why an instance waits, for programs and for people, and what to do about it. */
export function waitingReason(facts: WaitingFacts): WaitingFor {
  const { now, dueAt, ableWorkers } = facts
  if (dueAt > now) {
    const until = new Date(dueAt).toISOString()
    return facts.attempt > 0
      ? { reason: 'retry', message: `Attempt ${facts.attempt} failed; the next one is due at ${until}`, until, attempt: facts.attempt }
      : { reason: 'due', message: `Due at ${until}`, until }
  }
  if (facts.heldForConcurrency !== null) {
    return {
      reason: 'concurrency',
      message: `The job runs at most ${facts.heldForConcurrency} at a time; this instance goes on when one of them ends`,
      limit: facts.heldForConcurrency,
    }
  }
  if (ableWorkers.length === 0 && facts.drainingWorkers.length > 0) {
    const workers = facts.drainingWorkers.slice(0, MAX_NAMES)
    const workerCount = facts.drainingWorkers.length
    const more = workerCount > MAX_NAMES ? ` and ${workerCount - MAX_NAMES} more` : ''
    return {
      reason: 'draining',
      message: `Every worker that could run it is draining: ${workers.join(', ')}${more}; undrain one, or start another`,
      workers,
      workerCount,
    }
  }
  if (ableWorkers.length === 0) return noWorker(facts)
  if (ableWorkers.every((worker) => worker.freeSlots === 0)) {
    const slots = ableWorkers.reduce((sum, worker) => sum + worker.slots, 0)
    return {
      reason: 'slots',
      message: `All ${slots} slots of ${ableWorkers.length} able workers are busy; position ${facts.position} in the queue`,
      workerCount: ableWorkers.length,
      slots,
      position: facts.position,
    }
  }
  return { reason: 'dispatch', message: 'About to be given to a worker' }
}

function noWorker({ namespace, group, tags, handler, workersInGroup }: WaitingFacts): WaitingFor {
  const reason = 'no_worker'
  if (workersInGroup.length === 0) return { reason, message: `No worker connected in group ${group} of namespace ${namespace}`, group }
  const missing = tags.find((tag) => !workersInGroup.some((worker) => worker.tags.includes(tag)))
  if (missing !== undefined) return { reason, message: `No worker connected with tag ${missing} in group ${group}`, group, tags: [missing] }
  if (handler !== null && !workersInGroup.some((worker) => worker.handlers.includes(handler)))
    return { reason, message: `No worker connected with handler ${handler} in group ${group}`, group, handler }
  return {
    reason,
    message: `No connected worker of group ${group} has all that is needed: tags ${tags.join(', ')}${handler === null ? '' : ` and handler ${handler}`}`,
    group,
    tags: [...tags],
    ...(handler === null ? {} : { handler }),
  }
}
