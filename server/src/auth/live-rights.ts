import { Injectable, type OnModuleDestroy, type OnModuleInit } from '@nestjs/common'
import { ROLES, type Role } from '@jobtrail/api/auth'
import { Logger } from '../platform/logging.js'
import { SignalBus } from '../platform/signals.js'
import { AuthService } from './auth.service.js'
import type { Principal } from '../rights/principal.js'

/** How long a withdrawn right may go on being used where the signal of its withdrawal was lost. */
const CHECK_MS = 2_000
/** How long an answer may go on while nobody can tell whether it still may. */
const MAX_UNKNOWN_MS = 30_000

/** Why an answer must not go on. `UNAVAILABLE`: rights could not be read for too long. */
export type Denial = 'UNAUTHENTICATED' | 'FORBIDDEN' | 'UNAVAILABLE'

/** The right to go on with a long answer. `signal` is aborted with a {@link Denial} as its reason; `release` ends the watch. */
export type LiveRight = { signal: AbortSignal; release: () => void }

type Watch = { namespace: string | undefined; role: Role; abort: AbortController }
/** What runs under one session or API token: asked about once for all of it. */
type Bearer = { principal: Principal; watches: Set<Watch>; confirmedAt: number }

/** What an end says to the one who is denied. */
export function denialText(denial: Denial): string {
  if (denial === 'UNAUTHENTICATED') return 'The session or API token is not valid any more'
  return denial === 'FORBIDDEN' ? 'The right to read this was withdrawn' : 'Rights could not be checked: try again'
}

/**
 * Watches the rights behind answers that take long: followed logs, downloads, sockets. A change of rights on any server is signalled; every {@link CHECK_MS} all are
 * checked in any case, one question for each session or token, however much it has open.
 */
@Injectable()
export class LiveRights implements OnModuleInit, OnModuleDestroy {
  private readonly bearers = new Map<string, Bearer>()
  private timer: NodeJS.Timeout | undefined
  private checking: Promise<void> | undefined
  private isCheckWanted = false

  constructor(
    private readonly auth: AuthService,
    private readonly signals: SignalBus,
    private readonly logger: Logger,
  ) {}

  onModuleInit(): void {
    this.signals.on('rights', () => this.check())
    this.timer = setInterval(() => this.check(), CHECK_MS)
  }

  onModuleDestroy(): void {
    clearInterval(this.timer)
  }

  /** Without `namespace`: only that the session or token goes on. */
  watch(principal: Principal, namespace?: string, role: Role = ROLES[0]): LiveRight {
    const credential = this.auth.credentialOf(principal)
    const watch: Watch = { namespace, role, abort: new AbortController() }
    const bearer = this.bearers.get(credential) ?? { principal, watches: new Set(), confirmedAt: performance.now() }
    this.bearers.set(credential, bearer)
    bearer.watches.add(watch)
    return {
      signal: watch.abort.signal,
      release: () => {
        bearer.watches.delete(watch)
        if (bearer.watches.size === 0 && this.bearers.get(credential) === bearer) this.bearers.delete(credential)
      },
    }
  }

  /** Starts a check; one that was asked for while another was under way follows it, since that one may have read too early. */
  private check(): void {
    this.isCheckWanted = true
    this.checking ??= this.checkWhileWanted().finally(() => {
      this.checking = undefined
    })
  }

  /** Never rejects. */
  private async checkWhileWanted(): Promise<void> {
    while (this.isCheckWanted) {
      this.isCheckWanted = false
      await Promise.all([...this.bearers].map(([credential, bearer]) => this.checkOne(credential, bearer)))
    }
  }

  private async checkOne(credential: string, bearer: Bearer): Promise<void> {
    const { ip, requestId } = bearer.principal
    let now: Principal | undefined
    try {
      now = await this.auth.authenticate(credential, ip, requestId)
    } catch (err) {
      if (performance.now() - bearer.confirmedAt < MAX_UNKNOWN_MS) return
      this.logger.warn('Rights could not be checked for too long: ended what goes on under them', { name: bearer.principal.name, err })
      for (const { abort } of bearer.watches) abort.abort('UNAVAILABLE' satisfies Denial)
      return
    }
    bearer.confirmedAt = performance.now()
    for (const { namespace, role, abort } of bearer.watches) {
      if (now === undefined) abort.abort('UNAUTHENTICATED' satisfies Denial)
      else if (namespace !== undefined && !now.can(namespace, role)) abort.abort('FORBIDDEN' satisfies Denial)
    }
  }
}
