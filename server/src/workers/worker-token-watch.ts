import { Injectable, type OnModuleDestroy, type OnModuleInit } from '@nestjs/common'
import { WorkerTokensService } from '../auth/tokens/worker-tokens.service.js'
import { Logger } from '../platform/logging.js'
import { SignalBus } from '../platform/signals.js'
import type { WorkerSocket } from './worker-socket.js'

const CHECK_MS = 500
/** Nothing is handed to a worker whose token was not found valid within this time. */
const FRESH_MS = 1_000

type Watched = { tokenId: string; confirmedAt: number; onRevoked: () => void }

/**
 * Watches the tokens behind the connections of this server's workers. A revocation is signalled to all servers; twice a second one query asks for all tokens in any
 * case. Who hands out runs, with their secrets, asks {@link isValid} first: that waits for a query only when the last answer is old.
 */
@Injectable()
export class WorkerTokenWatch implements OnModuleInit, OnModuleDestroy {
  private readonly watched = new Map<WorkerSocket, Watched>()
  private timer: NodeJS.Timeout | undefined
  private checking: Promise<void> | undefined

  constructor(
    private readonly tokens: WorkerTokensService,
    private readonly signals: SignalBus,
    private readonly logger: Logger,
  ) {}

  onModuleInit(): void {
    this.signals.on('workerTokens', () => void this.checkAnew())
    this.timer = setInterval(() => void this.tryCheck(), CHECK_MS)
  }

  onModuleDestroy(): void {
    clearInterval(this.timer)
  }

  /** `onRevoked` is called once, when the token is not valid any more. Ends with the connection. */
  watch(socket: WorkerSocket, tokenId: string, onRevoked: () => void): void {
    this.watched.set(socket, { tokenId, confirmedAt: performance.now(), onRevoked })
    socket.once('disconnect', () => this.watched.delete(socket))
  }

  /** Whether the token of a connection was valid within the last second. Rejects when MongoDB does not answer. */
  async isValid(socket: WorkerSocket): Promise<boolean> {
    const known = this.watched.get(socket)
    if (known !== undefined && performance.now() - known.confirmedAt > FRESH_MS) await this.check()
    return this.watched.has(socket)
  }

  /** For a revocation that a check under way may have been too early for. */
  private async checkAnew(): Promise<void> {
    await this.checking?.catch(() => undefined)
    await this.tryCheck()
  }

  private async tryCheck(): Promise<void> {
    try {
      await this.check()
    } catch (err) {
      this.logger.debug('The tokens of workers could not be checked; nothing is handed out until they are', { err })
    }
  }

  private check(): Promise<void> {
    this.checking ??= this.checkAll().finally(() => {
      this.checking = undefined
    })
    return this.checking
  }

  private async checkAll(): Promise<void> {
    const asked = [...this.watched]
    if (asked.length === 0) return
    const askedAt = performance.now()
    const valid = await this.tokens.validAmong([...new Set(asked.map(([, { tokenId }]) => tokenId))])
    for (const [socket, each] of asked) {
      if (valid.has(each.tokenId)) each.confirmedAt = askedAt
      else if (this.watched.delete(socket)) each.onRevoked()
    }
  }
}
