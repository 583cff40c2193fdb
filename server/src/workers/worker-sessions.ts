import { Inject, Injectable } from '@nestjs/common'
import type { Hello, Heartbeat, HeartbeatReply, Welcome } from '@jobtrail/protocol/wire/worker'
import { AppError } from '@jobtrail/protocol/domain/errors'
import { Empty, OLDEST_PROTOCOL_VERSION, PROTOCOL_VERSION } from '@jobtrail/protocol/wire/worker'
import { CONFIG, type Config } from '../config/config.js'
import { Leases } from '../engine/leases.js'
import { Clock } from '../platform/clock.js'
import { Logger } from '../platform/logging.js'
import { Metrics } from '../platform/metrics.js'
import { SignalBus } from '../platform/signals.js'
import { askWorker } from './ask-worker.js'
import { WorkerConnection, WorkerRegistry } from './worker-registry.js'
import type { WorkerSocket } from './worker-socket.js'
import { WorkerTokenWatch } from './worker-token-watch.js'
import { WorkersRepository } from './workers.repository.js'

/** What a worker's token allows. */
export type WorkerRights = { tokenId: string; namespace: string; group: string | null }

/** Whether all that a message lists could be read. */
type Read = { isWhole: boolean }

const OWN_FOLDER = 'give this one a spool folder of its own, or remove worker.json from its folder'
/** Workers of the first protocol version do not say which process they are. */
const incarnationOf = ({ incarnation, host, pid, startedAt }: Hello): string => incarnation ?? `${host} ${pid} ${startedAt}`

export const REVOKED = 'token: revoked; make one with POST /api/worker-tokens'

/** The life of a worker's connection: hello, heartbeats, the end. */
@Injectable()
export class WorkerSessions {
  constructor(
    @Inject(CONFIG) private readonly config: Config,
    private readonly registry: WorkerRegistry,
    private readonly repository: WorkersRepository,
    private readonly leases: Leases,
    private readonly tokens: WorkerTokenWatch,
    private readonly signals: SignalBus,
    private readonly clock: Clock,
    private readonly metrics: Metrics,
    private readonly logger: Logger,
  ) {
    this.signals.on('worker', ({ workerId, connectionId }) => {
      this.dropOthers(workerId, connectionId).catch((err: unknown) =>
        this.logger.warn('Another connection of a worker is left to its next heartbeat', { workerId, err }),
      )
    })
  }

  /** Throws AppError when the worker speaks another protocol or its token is for another group; why is noted at the worker, for people who look for it. */
  async hello(socket: WorkerSocket, rights: WorkerRights, hello: Hello, read: Read): Promise<{ welcome: Welcome; connection: WorkerConnection }> {
    try {
      return await this.admit(socket, rights, hello, read)
    } catch (error) {
      if (error instanceof AppError && error.code !== 'UNAVAILABLE')
        await this.repository.refused({ _id: hello.workerId, namespace: rights.namespace }, { reason: error.message, at: this.clock.date() })
      throw error
    }
  }

  /** Workers that use a token are turned away, which is valid no more. */
  async refuse({ tokenId, namespace }: WorkerRights): Promise<void> {
    await this.repository.refused({ namespace, tokenId }, { reason: REVOKED, at: this.clock.date() })
  }

  private async admit(
    socket: WorkerSocket,
    rights: WorkerRights,
    hello: Hello,
    { isWhole }: Read,
  ): Promise<{ welcome: Welcome; connection: WorkerConnection }> {
    if (hello.protocol < OLDEST_PROTOCOL_VERSION || hello.protocol > PROTOCOL_VERSION)
      throw new AppError(
        'VALIDATION_FAILED',
        `protocol: this server speaks ${OLDEST_PROTOCOL_VERSION} to ${PROTOCOL_VERSION}, the worker ${hello.protocol}: upgrade the older of the two`,
      )
    if (rights.group !== null && rights.group !== hello.group)
      throw new AppError('FORBIDDEN', `group: the token is for group ${rights.group}, not ${hello.group}`)
    const now = this.clock.date()
    const known = await this.repository.identityOf(hello.workerId)
    // Else a worker of one namespace or group could take the attempts of another's worker from it, and its secrets with them.
    if (known !== null && known.namespace !== rights.namespace)
      throw new AppError('FORBIDDEN', `workerId: belongs to a worker of another namespace; ${OWN_FOLDER}`)
    if (known !== null && rights.group !== null && known.group !== rights.group)
      throw new AppError('FORBIDDEN', `workerId: belongs to a worker of another group; ${OWN_FOLDER}`)
    const capabilities = { namespace: rights.namespace, group: hello.group, tags: hello.tags, handlers: hello.handlers }
    const process = { id: hello.workerId, incarnation: incarnationOf(hello), since: now }
    const link = { isTrusted: () => this.tokens.isValid(socket), answersAgain: () => this.registry.capacityChanged() }
    const { protocol, name, slots, attempts: held, understands } = hello
    const connection = new WorkerConnection(socket, process, protocol, name, capabilities, slots, held, link, understands)
    if (hello.sentAt !== undefined) connection.clock.sample(hello.sentAt, now.getTime())
    const { serverId, leaseMs, heartbeatMs } = this.config
    // First of all: from here on no other process can be this worker, so nothing below is done for one that is not.
    const identity = await this.repository.connected(
      {
        _id: hello.workerId,
        ...capabilities,
        incarnation: connection.incarnation,
        tokenId: rights.tokenId,
        name: hello.name,
        slots: hello.slots,
        freeSlots: connection.freeSlots,
        version: hello.version,
        host: hello.host,
        serverId,
        connectionId: connection.connectionId,
        isDraining: false,
        spoolBytes: 0,
        connectedAt: now,
        lastHeartbeatAt: now,
      },
      new Date(now.getTime() - leaseMs),
      hello.replaces !== undefined ? { incarnation: hello.replaces } : hello.incarnation === undefined ? 'unknown' : 'none',
    )
    if (identity === 'taken')
      throw new AppError(
        'CONFLICT',
        `workerId: is in use by a worker that is alive on host ${known?.host ?? 'unknown'}. One that replaces it is let in when its lease is over; a copy of its spool folder needs an ID of its own: remove worker.json there`,
      )
    try {
      const { attempts, spooled, givenUp } = hello
      const { stop } = await this.leases.reconcile(connection, attempts, { isConnect: true, isWhole, receivedAt: now.getTime(), spooled, givenUp })
      // It gave up waiting: it may have said hello to another server since.
      if (!socket.connected) throw new AppError('UNAVAILABLE', 'The worker disconnected before its hello was answered')
      if (identity.drain !== undefined) connection.wish(identity.drain)
      return { welcome: { serverId, leaseMs, heartbeatMs, stop, drain: connection.isDrainWanted }, connection }
    } catch (error) {
      // Else a successor would have to wait for the end of a lease that nobody has.
      await this.repository.disconnected(connection.id, connection.connectionId)
      throw error
    }
  }

  /** Called once the welcome is on its way, so that no `run` comes before it. */
  open(connection: WorkerConnection): void {
    if (!connection.socket.connected) return
    const former = this.registry.add(connection)
    if (former !== undefined && former !== connection) former.socket.disconnect(true)
    this.signals.send('worker', connection.id, { workerId: connection.id, connectionId: connection.connectionId })
    this.measure()
  }

  async heartbeat(connection: WorkerConnection, message: Heartbeat, receivedAt: number, { isWhole }: Read): Promise<HeartbeatReply> {
    connection.isDraining = message.isDraining || message.problem !== undefined
    const stored = await this.repository.heartbeat(connection.id, connection.incarnation, {
      serverId: this.config.serverId,
      connectionId: connection.connectionId,
      freeSlots: message.freeSlots,
      isDraining: message.isDraining,
      spoolBytes: message.spoolBytes,
      ...(message.problem === undefined ? {} : { problem: message.problem }),
      lastHeartbeatAt: this.clock.date(),
    })
    if (stored === null) {
      setImmediate(() => connection.socket.disconnect(true))
      throw new AppError('CONFLICT', 'workerId: is another process by now, or was removed; connect again')
    }
    if (stored.drain !== undefined) connection.wish(stored.drain)
    const reply = await this.leases.reconcile(connection, message.attempts, { isConnect: false, isWhole, receivedAt, givenUp: message.givenUp })
    this.registry.capacityChanged()
    this.measure()
    return { ...reply, drain: connection.isDrainWanted }
  }

  /** A user wants it drained, or no more: for the server that it is connected to. */
  async drainChanged(workerId: string): Promise<void> {
    const connection = this.registry.get(workerId)
    if (connection === undefined) return
    const drain = (await this.repository.findById(workerId))?.drain
    if (drain === undefined) return
    connection.wish(drain)
    // Before the worker has answered: it may not, and then its slots would wait for its next heartbeat.
    this.registry.capacityChanged()
    this.measure()
    await askWorker(connection.socket, 'config', { drain: connection.isDrainWanted }, Empty)
  }

  async close(connection: WorkerConnection): Promise<void> {
    this.registry.remove(connection)
    this.measure()
    await this.repository.disconnected(connection.id, connection.connectionId)
  }

  /** A worker has one connection: one that it left behind half open would swallow what is sent to it. The news of another may be old itself, when its server was frozen. */
  private async dropOthers(workerId: string, connectionId: string): Promise<void> {
    const mine = this.registry.get(workerId)
    if (mine === undefined || mine.connectionId === connectionId) return
    const known = await this.repository.findById(workerId)
    if (known?.connectionId !== mine.connectionId) mine.socket.disconnect(true)
  }

  private measure(): void {
    const workers = this.registry.all
    this.metrics.connectedWorkers.set(workers.length)
    this.metrics.freeSlots.set(workers.reduce((sum, worker) => sum + worker.freeSlots, 0))
  }
}
