import { MongoServerError } from 'mongodb'
import type { Job } from 'bullmq'
import { describe, expect, it } from 'vitest'
import { type AttemptKey, attemptKeyString } from '@jobtrail/shared/domain/attempt-key'
import type { Config } from '../config/config.js'
import { type AttemptDocument, attemptKeyOf, type AttemptId } from './attempt-document.js'
import type { AttemptsRepository } from './attempts.repository.js'
import type { InstanceDocument } from './instance-document.js'
import type { InstancesRepository } from './instances.repository.js'
import type { Clock } from '../platform/clock.js'
import { Logger } from '../platform/logging.js'
import { connectedWorker } from '../workers/testing/connected-worker.js'
import { WorkerRegistry } from '../workers/worker-registry.js'
import type { AttemptQueue } from './attempt-queue.js'
import { type Candidate, Claims } from './claims.js'
import { LimitedRuns } from './limited-runs.js'
import type { PermitsRepository, PermitWish } from './permits.repository.js'
import { OutcomeHints } from './outcome-hints.js'
import { Placement } from './placement.js'
import type { Handed, RunLanes } from './run-lanes.js'
import type { Settlement } from './settlement.js'

const RUNS = 40
const BAD = 17
const idOf = (n: number): string => `run-${String(n).padStart(2, '0')}`
const keyOf = (n: number): AttemptKey => ({ instanceId: idOf(n), task: 0, attempt: 1 })
const textOf = (id: AttemptId): string => attemptKeyString(attemptKeyOf(id))
const invalid = (): MongoServerError => new MongoServerError({ message: 'Document failed validation', code: 121 })

/** Runs of which one cannot be claimed: a write that comes to it has changed those before it, and fails. */
function setUp(maxConcurrent: number) {
  const instances = new Map(
    Array.from({ length: RUNS }, (_, n) => [
      idOf(n),
      { _id: idOf(n), jobId: 'job', route: 'route', status: 'WAITING', attempt: 0, maxConcurrent } as InstanceDocument,
    ]),
  )
  const attempts = new Set<string>()
  const permits = new Set<string>()
  const sent: string[] = []
  const instancesRepository = {
    findMany: async (ids: string[]) => ids.flatMap((id) => ({ ...(instances.get(id) as InstanceDocument) })),
    findNextLimited: async (_job: string, _route: string, _now: Date, limit: number) =>
      [...instances.values()].filter(({ status }) => status === 'WAITING').slice(0, limit),
    hold: async () => undefined,
    claim: async (claims: AttemptKey[]) => {
      for (const { instanceId, attempt } of claims) {
        if (instanceId === idOf(BAD)) throw invalid()
        Object.assign(instances.get(instanceId) ?? {}, { status: 'RUNNING', attempt })
      }
      return claims.length
    },
    unclaim: async (claims: AttemptKey[]) => {
      for (const { instanceId, attempt } of claims) {
        const instance = instances.get(instanceId)
        if (instance?.status === 'RUNNING') Object.assign(instance, { status: 'WAITING', attempt: attempt - 1 })
      }
    },
  } as unknown as InstancesRepository
  const attemptsRepository = {
    insertMany: async (documents: AttemptDocument[]) => {
      const duplicates = new Set(documents.flatMap(({ _id }, i) => (attempts.has(textOf(_id)) ? [i] : [])))
      for (const { _id } of documents) attempts.add(textOf(_id))
      return duplicates
    },
    deleteUnsent: async (ids: AttemptId[]) => {
      for (const id of ids) attempts.delete(textOf(id))
    },
  } as unknown as AttemptsRepository
  const permitsRepository = {
    acquire: async (_job: string, wishes: PermitWish[]) => {
      const had = wishes.filter(({ instanceId }) => permits.has(instanceId) || permits.size < maxConcurrent)
      let granted = 0
      for (const { instanceId } of had) {
        if (!permits.has(instanceId) && permits.size >= maxConcurrent) break
        permits.add(instanceId)
        granted++
      }
      return granted
    },
    release: async (released: AttemptKey[]) => {
      for (const { instanceId } of released) permits.delete(instanceId)
    },
  } as unknown as PermitsRepository
  const lanes = {
    hand: async (placed: Candidate[]) => {
      for (const { worker, key } of placed) worker.hold(key, 0)
      sent.push(...placed.map(({ key }) => key.instanceId))
      return placed.map((): Promise<Handed> => Promise.resolve('taken'))
    },
  } as unknown as RunLanes
  const later: AttemptKey[] = []
  const queue = { postpone: async (_job: Job, _token: string, keys: AttemptKey[]) => void later.push(...keys) } as unknown as AttemptQueue
  const logger = new Logger('fatal', 'spec')
  const clock = { now: () => 0, date: () => new Date(0) } as unknown as Clock
  const claims = new Claims({ leaseMs: 10_000 } as Config, instancesRepository, attemptsRepository, permitsRepository, new OutcomeHints(), clock, logger)
  const limited = new LimitedRuns(instancesRepository, permitsRepository, claims, lanes, clock, logger)
  const worker = connectedWorker(RUNS)
  const settlement = { useFreePermits: async () => undefined } as unknown as Settlement
  const placement = new Placement(instancesRepository, claims, lanes, limited, settlement, queue, new WorkerRegistry(), logger)
  const job = { id: 'job', moveToCompleted: async () => undefined } as unknown as Job<unknown, string>
  const placeAll = () => {
    const placements = Array.from({ length: RUNS }, (_, n) => ({ key: keyOf(n), worker }))
    for (const _ of placements) worker.reserve()
    return placement.place({ route: 'route', job, token: 'token', placements, rest: [] })
  }
  return { placeAll, sent, later, attempts, permits, worker }
}

const good = Array.from({ length: RUNS }, (_, n) => idOf(n)).filter((id) => id !== idOf(BAD))

describe('a run that cannot be claimed', () => {
  it('fails alone: those of its batch are placed and sent once', async () => {
    const { placeAll, sent, later, attempts, worker } = setUp(0)
    await placeAll()
    expect(sent.toSorted()).toEqual(good)
    expect(later).toEqual([keyOf(BAD)])
    expect([...attempts].toSorted()).toEqual(good.map((id) => attemptKeyString({ instanceId: id, task: 0, attempt: 1 })))
    expect(worker.freeSlots).toBe(1)
  })

  it('holds up none of its job that come after it, and keeps no permit', async () => {
    const { placeAll, sent, attempts, permits, worker } = setUp(20)
    await placeAll()
    expect(sent.toSorted()).toEqual(good.slice(0, 20))
    expect([...permits].toSorted()).toEqual(good.slice(0, 20))
    expect(attempts.size).toBe(20)
    expect(worker.freeSlots).toBe(RUNS - 20)
  })
})
