import { Injectable } from '@nestjs/common'
import { type AttemptKey, attemptKeyString } from '@jobtrail/protocol/domain/attempt-key'
import type { Assignment } from '@jobtrail/protocol/wire/assignment'
import { ACK_TIMEOUT_MS, type AttemptResult, INVALID, RunReply } from '@jobtrail/protocol/wire/worker'
import type { WorkerProcess } from '../engine/attempt-document.js'
import { WorkerClock } from '../engine/domain/worker-clock.js'
import { type ConnectedWorker, WorkerSlots } from '../engine/ports/workers.js'
import { askWorker } from './ask-worker.js'
import type { WorkerSocket } from './worker-socket.js'
import type { DrainWish } from './workers.repository.js'
import { type Capabilities, canServe, type Route } from '../engine/domain/route.js'

/** Bounds on what a worker was sent and has not answered. Beyond them it is offered nothing more. */
const MAX_UNANSWERED_RUNS = 64
const MAX_UNANSWERED_BYTES = 16 * 1024 * 1024
/** A worker that takes longer than this to answer is offered nothing more until it does: others may be quicker. */
const SLOW_ANSWER_MS = 1_000
/** What it was sent and does not name is remembered for longer than it takes to call it lost. */
const REMEMBER_SENT_MS = 600_000

/** What a connection needs of others. `isTrusted`: whether its token is valid. `answersAgain`: slots that were withheld because it did not answer are offered again. */
export type WorkerLink = { isTrusted(): Promise<boolean>; answersAgain(): void }

/** A `run` message under way. */
export type SentRun = { bytes: number; sentAt: number }

/** A worker connected to this server, and what of its slots is taken as this server knows it. */
export class WorkerConnection implements ConnectedWorker {
  /** As it says of itself. */
  isDraining = false
  /** Its token was revoked: it is being disconnected. */
  isRevoked = false
  private drain: DrainWish = { isWanted: false, revision: 0 }
  readonly clock = new WorkerClock()
  /** Attempts that take a slot, with the time (monotonic) since when, and when they were given to it (the cluster's time) where that was by this connection. */
  private readonly held = new Map<string, { since: number; givenAt?: number }>()
  /** Attempts that were sent to it, with the time (monotonic) of that, and that it may have. */
  private readonly sent = new Map<string, number>()
  private reserved = 0
  /** Slots that are taken by what this server does not know of, such as a handler that goes on after its end was told: as of the last heartbeat, and as refused since. */
  private occupied = 0
  /** `run` messages that it has not answered, oldest first. */
  private readonly unanswered = new Set<SentRun>()
  private unansweredBytes = 0
  /** It let a `run` message time out, and has not been heard of since. */
  private isSilent = false

  constructor(
    readonly socket: WorkerSocket,
    readonly process: WorkerProcess,
    /** The version of the protocol that it speaks. */
    readonly protocol: number,
    readonly name: string,
    readonly capabilities: Capabilities,
    readonly slots: number,
    held: readonly AttemptKey[],
    private readonly link: WorkerLink,
    private readonly understands: readonly string[] = [],
  ) {
    for (const key of held) this.held.set(attemptKeyString(key), { since: performance.now() })
  }

  get id(): string {
    return this.process.id
  }

  get incarnation(): string {
    return this.process.incarnation
  }

  get connectionId(): string {
    return this.socket.id
  }

  get isConnected(): boolean {
    return this.socket.connected
  }

  isTrusted(): Promise<boolean> {
    return this.link.isTrusted()
  }

  get freeSlots(): number {
    return this.isDraining || this.isRevoked || this.drain.isWanted || !this.socket.connected || !this.isAnswering
      ? 0
      : Math.max(0, this.slots - this.held.size - this.reserved - this.occupied)
  }

  get isDrainWanted(): boolean {
    return this.drain.isWanted
  }

  /** What it is told of an item of `started` or `finished` that could not be read. Never `fenced`: it would kill a run that may be its own. */
  get unread(): AttemptResult {
    return this.understands.includes(INVALID) ? INVALID : 'ok'
  }

  /** What a user wants of it; an older wish, read before and heard later, changes nothing. */
  wish(drain: DrainWish): void {
    if (drain.revision > this.drain.revision) this.drain = drain
  }

  /** It has not answered so much that nothing more may be sent to it. */
  get isLaneFull(): boolean {
    return this.unanswered.size >= MAX_UNANSWERED_RUNS || this.unansweredBytes >= MAX_UNANSWERED_BYTES
  }

  private get isAnswering(): boolean {
    const [oldest] = this.unanswered
    return !this.isSilent && !this.isLaneFull && (oldest === undefined || performance.now() - oldest.sentAt < SLOW_ANSWER_MS)
  }

  /** Sends attempts, `bytes` in all, and says which it took. Rejects when it did not answer. */
  async run(attempts: readonly Assignment[], bytes: number): Promise<RunReply['results']> {
    const sent = this.runSent(bytes, attempts)
    try {
      const { results } = await askWorker(this.socket, 'run', { attempts: [...attempts] }, RunReply)
      if (this.runAnswered(sent)) this.link.answersAgain()
      this.refused(results.slice(0, attempts.length).filter((result) => result === 'refused').length)
      return results
    } catch (error) {
      this.runUnanswered(sent)
      throw error
    }
  }

  /** Notes that it was sent a `run` message; to be ended by {@link runAnswered} or {@link runUnanswered}. */
  runSent(bytes: number, keys: readonly AttemptKey[]): SentRun {
    const sent = { bytes, sentAt: performance.now() }
    for (const key of keys) this.sent.set(attemptKeyString(key), sent.sentAt)
    this.unanswered.add(sent)
    this.unansweredBytes += bytes
    return sent
  }

  /** True when slots that were withheld because it did not answer are offered again. */
  runAnswered(sent: SentRun): boolean {
    const wasAnswering = this.isAnswering
    this.forget(sent)
    this.isSilent = false
    return !wasAnswering && this.isAnswering
  }

  /** Nothing is offered to it until it answers another message or sends a heartbeat. */
  runUnanswered(sent: SentRun): void {
    this.forget(sent)
    this.isSilent = true
  }

  private forget(sent: SentRun): void {
    if (this.unanswered.delete(sent)) this.unansweredBytes -= sent.bytes
  }

  /** Sets a slot aside for an attempt that is about to be fetched. */
  reserve(): void {
    this.reserved++
  }

  /** Gives a reserved slot back. */
  release(): void {
    this.reserved--
  }

  /** Turns a reserved slot into a taken one. */
  hold(key: AttemptKey, givenAt: number): void {
    this.reserved--
    this.held.set(attemptKeyString(key), { since: performance.now(), givenAt })
  }

  /** How to read the times that it reports of an attempt. */
  reporterOf(key: AttemptKey): { process: WorkerProcess; clockOffset: number; givenAt: number | undefined } {
    return { process: this.process, clockOffset: this.clock.offset ?? 0, givenAt: this.held.get(attemptKeyString(key))?.givenAt }
  }

  /** It was sent this attempt over this connection, and has neither refused it nor told its end. */
  mayHave(key: AttemptKey): boolean {
    return this.sent.has(attemptKeyString(key))
  }

  /** True when the attempt held a slot. */
  letGo(key: AttemptKey): boolean {
    this.sent.delete(attemptKeyString(key))
    return this.held.delete(attemptKeyString(key))
  }

  /** The worker had no slot for so many after all, or takes none now: they are not offered to it again before its next heartbeat. */
  refused(count: number): void {
    this.occupied += count
  }

  /**
   * What the worker says it holds, when its message arrives. What it does not name takes no slot, unless it was given to it so lately that it may still be on its way.
   * What it names and is not known here has just ended: its end was acknowledged after the message was made.
   */
  correct(held: readonly AttemptKey[], freeSlots: number): void {
    this.isSilent = false
    const said = new Set(held.map(attemptKeyString))
    const before = performance.now() - ACK_TIMEOUT_MS
    for (const [key, { since }] of this.held) if (!said.has(key) && since < before) this.held.delete(key)
    const rememberedSince = performance.now() - REMEMBER_SENT_MS
    for (const [key, sentAt] of this.sent) if (!said.has(key) && sentAt < rememberedSince) this.sent.delete(key)
    // What it names may have ended, its slot free: then this is too low, and a refusal says so.
    this.occupied = Math.max(0, this.slots - freeSlots - held.length)
  }
}

/** The workers connected to this server. Whoever dispatches listens for {@link onCapacity}. */
@Injectable()
export class WorkerRegistry extends WorkerSlots {
  private readonly connections = new Map<string, WorkerConnection>()
  private readonly capacityListeners = new Set<() => void>()
  private readonly returnListeners = new Set<() => void>()

  get all(): readonly WorkerConnection[] {
    return [...this.connections.values()]
  }

  get(workerId: string): WorkerConnection | undefined {
    return this.connections.get(workerId)
  }

  /** The newest connection of a worker counts; the former one is returned for closing. */
  add(connection: WorkerConnection): WorkerConnection | undefined {
    const former = this.connections.get(connection.id)
    this.connections.set(connection.id, connection)
    this.capacityChanged()
    return former
  }

  remove(connection: WorkerConnection): void {
    if (this.connections.get(connection.id) === connection) this.connections.delete(connection.id)
  }

  servesRoute(route: Route): boolean {
    return this.all.some((worker) => canServe(worker.capabilities, route))
  }

  /** Reserves up to `limit` slots for a route, each on the worker that has the most free ones at the time. */
  reserve(route: Route, limit: number): WorkerConnection[] {
    const able = this.all.filter((worker) => worker.freeSlots > 0 && canServe(worker.capabilities, route))
    const reserved: WorkerConnection[] = []
    while (reserved.length < limit) {
      const best = able.reduce<WorkerConnection | undefined>((a, b) => (a === undefined || b.freeSlots > a.freeSlots ? b : a), undefined)
      if (best === undefined || best.freeSlots === 0) break
      best.reserve()
      reserved.push(best)
    }
    return reserved
  }

  /** Calls `listener` once, when slots that were reserved come back unused: for whoever found none free meanwhile. */
  onceReturned(listener: () => void): void {
    this.returnListeners.add(listener)
  }

  /** Tells that reserved slots were released because there was nothing to take. */
  slotsReturned(): void {
    const listeners = [...this.returnListeners]
    this.returnListeners.clear()
    for (const listener of listeners) listener()
  }

  onCapacity(listener: () => void): void {
    this.capacityListeners.add(listener)
  }

  capacityChanged(): void {
    for (const listener of this.capacityListeners) listener()
  }
}
