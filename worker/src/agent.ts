import { hostname } from 'node:os'
import { join } from 'node:path'
import { type Heartbeat, type HeartbeatReply, INVALID, MAX_PROBLEM_LENGTH, type Hello, PROTOCOL_VERSION, type Welcome } from '@jobtrail/shared/protocol/worker'
import type { Logger } from 'pino'
import { type WorkerConfig, workerVersion } from './config.js'
import { Connection } from './connection.js'
import { DiskWatch } from './disk-watch.js'
import { Cgroups } from './guard/cgroups.js'
import { WorkerFailure } from './errors.js'
import { GivenUp } from './given-up.js'
import { GuardClient } from './guard/guard-client.js'
import { Reaper } from './guard/reaper.js'
import { HealthBeat } from './health.js'
import type { SpoolHold } from './identity.js'
import { LeaseWatch } from './lease-watch.js'
import { LogPipeline } from './log/pipeline.js'
import { logTransport } from './log-transport.js'
import { holdOnFullDisk, takeOver } from './open-spool.js'
import type { Outbox } from './outbox.js'
import { Reports } from './reports.js'
import { HandlerRunner } from './run/handler.js'
import type { Handler } from './run/handler-call.js'
import { type HandlerModule, IsolatedHandlers } from './run/isolated-handler.js'
import { findJobUser, type JobUser } from './run/job-user.js'
import { installOutputCapture } from './run/output-capture.js'
import { unreadable } from './run/runner.js'
import { ShellRunner } from './run/shell.js'
import { RunningAttempts } from './running-attempts.js'
import { Slots } from './slots.js'
import { DELIVER_TIMEOUT_MS } from './stop-times.js'

/** Where a worker can be, and where it goes from there. */
export const WORKER_TRANSITIONS = { RUNNING: ['DRAINING'], DRAINING: ['DRAINED'], DRAINED: [] } as const
export type WorkerState = keyof typeof WORKER_TRANSITIONS

/** As many as the list in hello holds. */
const MAX_SPOOLED = 20_000
/** What a program that is only a worker ends with: the folder was taken from it; it is refused for good. */
const SPOOL_LOST_STATUS = 4
const REFUSED_STATUS = 3

/** The worker itself: takes work into its slots, runs it under the lease, and delivers ends and logs. */
export class Agent {
  private state: WorkerState = 'RUNNING'
  /** A user wants it idle. Unlike the states of a stop this can be taken back. */
  private isDrainWanted = false
  private readonly startedAt = Date.now()
  private readonly version = workerVersion()
  private readonly slots: Slots
  private readonly lease: LeaseWatch
  private readonly guard: GuardClient
  private readonly health: HealthBeat
  private readonly cgroups: Cgroups | undefined
  private readonly givenUp = new GivenUp()
  private readonly reports: Reports
  private readonly connection: Connection
  private readonly running: RunningAttempts
  private readonly disk: DiskWatch
  private readonly undoCapture: () => void
  private readonly onFailure: (failure: WorkerFailure) => void
  private hasFailed = false
  private isSpoolLost = false
  /** A server has answered a hello of this process. */
  private isWelcomed = false
  private hellos = 0

  /** Takes the spool folder, clears what a killed predecessor left, and makes ready. Throws ConfigError when the folder cannot be had. */
  static async open(
    config: WorkerConfig,
    handlers: ReadonlyMap<string, Handler | HandlerModule>,
    log: Logger,
    onFailure: (failure: WorkerFailure) => void,
  ): Promise<Agent> {
    const user = config.runAsUser === undefined ? undefined : findJobUser(config.runAsUser)
    const opened: { agent?: Agent; failure?: WorkerFailure } = {}
    const hold = await holdOnFullDisk(config.spoolDir, () => {
      const failure = new WorkerFailure(`another worker took over ${config.spoolDir} while this one was frozen`, SPOOL_LOST_STATUS)
      opened.failure = failure
      if (opened.agent === undefined) onFailure(failure)
      else opened.agent.loseSpool(failure)
    })
    try {
      const reaper = new Reaper(log)
      const { outbox, begun } = await takeOver(config.spoolDir, hold, reaper, user, log)
      const link: { sender?: Connection; disk?: DiskWatch } = {}
      const pipeline = await LogPipeline.open({
        dir: config.spoolDir,
        limitBytes: config.spoolLimitBytes,
        begun,
        transport: logTransport(link),
        onFault: (error, what) => {
          log.error({ err: error }, what)
          link.disk?.noteFault(error)
        },
      })
      if (opened.failure !== undefined) throw opened.failure
      const agent = new Agent(config, handlers, log, hold, pipeline, { reaper, user, onFailure }, outbox)
      opened.agent = agent
      link.sender = agent.connection
      link.disk = agent.disk
      await agent.disk.start()
      return agent
    } catch (error) {
      hold.release()
      throw error
    }
  }

  private constructor(
    private readonly config: WorkerConfig,
    private readonly handlers: ReadonlyMap<string, Handler | HandlerModule>,
    private readonly log: Logger,
    private readonly hold: SpoolHold,
    private readonly pipeline: LogPipeline,
    { reaper, user, onFailure }: { reaper: Reaper; user: JobUser | undefined; onFailure: (failure: WorkerFailure) => void },
    outbox: Outbox,
  ) {
    this.slots = new Slots(config.slots)
    this.disk = new DiskWatch({ dir: config.spoolDir, onChange: (problem) => this.diskChanged(problem) })
    this.guard = new GuardClient(log)
    this.health = new HealthBeat(config.spoolDir, () => this.guard.isGuarding, log)
    this.onFailure = onFailure
    // A copy must not have the group of its original.
    this.cgroups = Cgroups.open(`jobtrail-${hold.isCopy ? hold.incarnation : hold.workerId}`)
    this.lease = new LeaseWatch({ onRenewed: (guardDeadline) => this.guard.lease(guardDeadline), onExpired: () => this.running.loseLease() })
    this.connection = new Connection({
      urls: config.server,
      token: config.token,
      log,
      makeHello: () => this.makeHello(),
      makeHeartbeat: () => this.makeHeartbeat(),
      onWelcome: (welcome, sentAt) => this.welcomed(welcome, sentAt),
      onRenewed: (reply, sentAt) => this.renewed(reply, sentAt),
      onDrain: (isWanted) => this.drainOnDemand(isWanted),
      onLost: () => this.pipeline.disconnected(),
      onRefused: (error) => this.fail(new WorkerFailure(`every server refuses this worker: ${error.message}`, REFUSED_STATUS, error)),
      refusedExitMs: config.refusedExitMs,
      commands: {
        run: (message) => this.running.take(message),
        cancel: ({ attempts }) => this.running.cancel(attempts),
        fenced: ({ attempts }) => this.running.fence(attempts, 'fenced by the server'),
      },
    })
    this.reports = new Reports({
      outbox,
      sender: this.connection,
      log,
      onDiskFault: (error) => this.disk.noteFault(error),
      onFenced: (key) => this.running.fence([key], 'its start was refused'),
      onLost: ({ instanceId, task, attempt }) => this.givenUp.add({ instanceId, task, attempt }),
    })
    const shell = new ShellRunner({
      runsDir: join(config.spoolDir, 'runs'),
      guard: this.guard,
      reaper,
      cgroups: this.cgroups,
      log,
      env: process.env,
      user,
      isSpoolLost: () => this.isSpoolLost,
    })
    this.undoCapture = handlers.size > 0 ? installOutputCapture() : () => undefined
    this.running = new RunningAttempts({
      slots: this.slots,
      givenUp: this.givenUp,
      reports: this.reports,
      log,
      checkSpace: () => this.disk.checkSpace(),
      isOpen: () => this.takesWork && !this.lease.isExpired && this.disk.problem === null && !this.reports.isFull,
      deps: {
        pipeline,
        reports: this.reports,
        log,
        checkLease: () => this.lease.check(),
        onFault: (error) => this.disk.noteFault(error),
        runners: {
          shell,
          unreadable,
          handler: new HandlerRunner(handlers, log, new IsolatedHandlers(shell)),
        },
      },
    })
  }

  get workerId(): string {
    return this.hold.workerId
  }

  /** Connects, and stays connected until {@link stop}. */
  start(): void {
    this.log.info(
      { workerId: this.workerId, slots: this.slots.total, group: this.config.group, tags: this.config.tags, hasCgroups: this.cgroups !== undefined },
      'worker started',
    )
    this.connection.start()
  }

  /** Kills what runs, and tells the owner, once. */
  fail(failure: WorkerFailure): void {
    if (this.hasFailed) return
    this.hasFailed = true
    this.log.fatal({ err: failure }, 'the worker cannot go on')
    this.state = 'DRAINING'
    this.running.fenceAll(failure.message)
    this.onFailure(failure)
  }

  /** Nothing in the folder is touched any more: a program that goes on would else write between the lines of the new owner, or remove them. */
  private loseSpool(failure: WorkerFailure): void {
    this.isSpoolLost = true
    this.pipeline.abandon()
    this.reports.abandon()
    this.disk.close()
    this.health.abandon()
    this.fail(failure)
    // The new owner speaks for this worker.
    void this.connection.close()
  }

  /** No new work from now on; what runs goes on. */
  drain(): void {
    if (this.state !== 'RUNNING') return
    this.state = 'DRAINING'
    this.log.info({ running: this.running.size }, 'draining')
    this.connection.beatNow()
  }

  private get takesWork(): boolean {
    return this.state === 'RUNNING' && !this.isDrainWanted
  }

  private drainOnDemand(isWanted: boolean): void {
    if (isWanted === this.isDrainWanted) return
    this.isDrainWanted = isWanted
    this.log.info({ running: this.running.size }, isWanted ? 'drained on demand: no new work until undrained' : 'undrained')
    this.connection.beatNow()
  }

  private diskChanged(problem: string | null): void {
    if (problem === null) this.log.info('the spool folder can be written again; taking work')
    else this.log.error({ problem }, 'no new work until the spool folder can be written')
    this.connection.beatNow()
  }

  /**
   * The graceful stop: takes no new work, lets what runs finish for `drainTimeoutMs`, then stops it, delivers ends and seals logs, and disconnects. Each
   * step is bounded; what could not be delivered stays in the spool.
   */
  async stop(): Promise<void> {
    if (this.isSpoolLost) return this.close()
    this.drain()
    if (!(await this.running.idle(this.config.drainTimeoutMs))) {
      this.log.warn({ running: this.running.size }, 'the drain time is over; stopping what still runs')
      const longestGraceMs = this.running.stopAll('worker-stopped')
      await this.running.idle(longestGraceMs + DELIVER_TIMEOUT_MS)
    }
    const [areEndsDelivered, areLogsSealed] = await Promise.all([this.reports.drained(DELIVER_TIMEOUT_MS), this.pipeline.drained(DELIVER_TIMEOUT_MS)])
    if (!areEndsDelivered || !areLogsSealed)
      this.log.warn({ areEndsDelivered, areLogsSealed }, 'not everything could be delivered; it stays in the spool for the next start')
    this.state = 'DRAINED'
    await this.close()
  }

  /** Ends at once: kills what runs; ends and logs stay in the spool. */
  async close(): Promise<void> {
    this.running.fenceAll('the worker was ended')
    await this.connection.close()
    this.lease.close()
    this.disk.close()
    if (!this.isSpoolLost) this.reports.close()
    await this.pipeline.close()
    this.guard.close()
    this.cgroups?.close()
    if (!this.isSpoolLost) this.health.close()
    this.undoCapture()
    this.hold.release()
    this.log.info('worker stopped')
  }

  private welcomed(welcome: Welcome, sentAt: number): void {
    this.noteWelcome()
    this.givenUp.answered(sentAt)
    this.lease.renew(sentAt, welcome.leaseMs)
    this.running.fence(welcome.stop, 'given away while the worker was not connected')
    this.reports.connected()
    this.pipeline.connected()
    this.drainOnDemand(welcome.drain)
    if (!this.takesWork) this.connection.beatNow()
  }

  private renewed(reply: HeartbeatReply, sentAt: number): void {
    this.givenUp.answered(sentAt)
    this.lease.renew(sentAt)
    this.running.fence(reply.stop, "no longer this worker's")
    this.running.cancel(reply.cancel)
    this.drainOnDemand(reply.drain)
  }

  /** In the folder too, for a successor. */
  private noteWelcome(): void {
    if (this.isWelcomed || this.isSpoolLost) return
    this.isWelcomed = true
    try {
      this.hold.welcomed()
    } catch (error) {
      this.log.warn({ err: error }, 'could not note that a server knows this process; a successor may have to wait for the end of its lease')
      this.disk.noteFault(error)
    }
  }

  /** Servers know one of the former processes, and each hello names one: a refused one is followed by another. */
  private replaced(): Pick<Hello, 'replaces'> {
    const { former } = this.hold
    const replaces = this.isWelcomed ? undefined : former[this.hellos++ % former.length]
    return replaces === undefined ? {} : { replaces }
  }

  private makeHello(): Hello {
    this.lease.check()
    const { name, group, tags, slots } = this.config
    return {
      protocol: PROTOCOL_VERSION,
      workerId: this.workerId,
      name,
      group,
      tags,
      handlers: [...this.handlers.keys()],
      slots,
      version: this.version,
      host: hostname().slice(0, 255),
      pid: process.pid,
      startedAt: this.startedAt,
      attempts: this.running.heldKeys(),
      spooled: this.pipeline.keys(MAX_SPOOLED),
      incarnation: this.hold.incarnation,
      ...this.replaced(),
      ...this.givenUp.said,
      sentAt: Date.now(),
      understands: [INVALID],
    }
  }

  private makeHeartbeat(): Heartbeat {
    this.lease.check()
    return {
      attempts: this.running.heldKeys(),
      freeSlots: this.slots.free,
      isDraining: !this.takesWork,
      spoolBytes: this.pipeline.unackedBytes,
      ...this.givenUp.said,
      sentAt: Date.now(),
      ...(this.disk.problem === null ? {} : { problem: this.disk.problem.slice(0, MAX_PROBLEM_LENGTH) }),
    }
  }
}
