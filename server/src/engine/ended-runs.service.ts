import { Injectable } from '@nestjs/common'
import type { ClientSession } from 'mongodb'
import type { AttemptKey } from '@jobtrail/protocol/domain/attempt-key'
import { Logger } from '../platform/logging.js'
import { AttemptQueue } from './attempt-queue.js'
import { AttemptsRepository } from './attempts.repository.js'
import { idAt } from './domain/instance-id.js'
import type { RunEnd } from './instance-document.js'
import { InstancesRepository } from './instances.repository.js'
import { type Revisit, RevisitsRepository } from './revisits.repository.js'

/** Sorts after every ID. */
const LAST_ID = 'g'

/** What retention asks of runs, and their removal. */
@Injectable()
export class EndedRuns {
  constructor(
    private readonly instances: InstancesRepository,
    private readonly attempts: AttemptsRepository,
    private readonly revisits: RevisitsRepository,
    private readonly queue: AttemptQueue,
    private readonly logger: Logger,
  ) {}

  /** Those of a namespace that were made after the run `after` and before a time (ms), in order, whether or not they have ended. */
  find(namespace: string, after: string, before: number | undefined, limit: number): Promise<RunEnd[]> {
    return this.instances.findEnds(namespace, after, before === undefined ? LAST_ID : idAt(before), limit)
  }

  findById(ids: readonly string[]): Promise<RunEnd[]> {
    return this.instances.findEndsById(ids)
  }

  /** Deletes those that have ended (before `endedBefore`) and answers which are not there any more, with the keys of the attempts that they may have had. */
  async delete(runs: readonly RunEnd[], endedBefore: Date | undefined, session: ClientSession): Promise<{ ids: string[]; keys: AttemptKey[] }> {
    const ids = runs.map(({ _id }) => _id)
    const gone = endedBefore === undefined ? await this.instances.deleteFinished(ids, session) : await this.instances.deleteEnded(ids, endedBefore, session)
    const isGone = new Set(gone)
    const keys = runs.filter(({ _id }) => isGone.has(_id)).flatMap((run) => [...attemptKeysOf(run), unclaimedOf(run)])
    await this.attempts.delete(keys, session)
    return { ids: gone, keys }
  }

  /** Removes what Redis knows of the routes of these runs: hints without content, and stale, so nothing depends on it. */
  async forgetQueues(runs: readonly RunEnd[]): Promise<void> {
    for (const route of await this.instances.routesOf(runs.map(({ _id }) => _id))) {
      await this.queue.forget(route).catch((err: unknown) => this.logger.debug('A queue of a removed namespace is left in Redis', { route, err }))
    }
  }

  /** Whether the job has any run. */
  hasAny(jobId: string): Promise<boolean> {
    return this.instances.hasAny(jobId)
  }

  /** Whether a revision has a run among those of the job that were made between two times (ms). True also where it takes too long to tell. */
  hasOfRevision(revision: { job: string; revision: number }, from: number, to: number): Promise<boolean> {
    return this.instances.hasOfRevision(revision, idAt(from), idAt(to))
  }

  /** Notes runs to be looked at again. */
  revisit(namespace: string, ids: readonly string[], at: Date): Promise<void> {
    return this.revisits.note(namespace, ids, at)
  }

  toRevisit(namespace: string, now: Date, limit: number): Promise<Revisit[]> {
    return this.revisits.findDue(namespace, now, limit)
  }

  /** But for those that were noted anew since they were found: a user has retried them. */
  revisited(revisits: readonly Revisit[]): Promise<void> {
    return this.revisits.forget(revisits)
  }

  /** Some of what was noted of a namespace that was removed; how many. */
  deleteSomeRevisitsOf(namespace: string): Promise<number> {
    return this.revisits.deleteSomeOf(namespace)
  }
}

/** Its attempts are numbered from 1: this costs no look-up, let alone one by range for each run. */
export const attemptKeysOf = ({ _id, attempt }: RunEnd): AttemptKey[] =>
  Array.from({ length: attempt }, (_, i) => ({ instanceId: _id, task: 0, attempt: i + 1 }))
/** One that a server made and did not live to claim. */
const unclaimedOf = ({ _id, attempt }: RunEnd): AttemptKey => ({ instanceId: _id, task: 0, attempt: attempt + 1 })
