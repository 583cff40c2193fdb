import { Injectable } from '@nestjs/common'
import { AppError } from '@jobtrail/shared/domain/errors'
import { Clock } from '../../platform/clock.js'
import { LoginFailuresRepository } from './login-failures.repository.js'

const WINDOW_MS = 5 * 60_000
/** A name from one address: others can't lock someone out from elsewhere. */
const MAX_FAILURES_OF_NAME = 10
/** All names from one address. */
const MAX_FAILURES_OF_ADDRESS = 100

/** Limits failed sign-ins over all servers. */
@Injectable()
export class LoginLimits {
  constructor(
    private readonly failures: LoginFailuresRepository,
    private readonly clock: Clock,
  ) {}

  /** Throws AppError TOO_MANY_ATTEMPTS while a limit is reached. */
  async check(username: string, ip: string | null): Promise<void> {
    const now = this.clock.date()
    const found = await this.failures.find([nameKey(username, ip), addressKey(ip)], now)
    const reached = found.filter(({ key, failures }) => failures >= (key === addressKey(ip) ? MAX_FAILURES_OF_ADDRESS : MAX_FAILURES_OF_NAME))
    if (reached.length === 0) return
    const retryAfterMs = Math.max(...reached.map(({ expiresAt }) => expiresAt.getTime() - now.getTime()))
    throw new AppError('TOO_MANY_ATTEMPTS', `Too many failed sign-ins: try again in ${Math.ceil(retryAfterMs / 1_000)} s`, { retryAfterMs })
  }

  async failed(username: string, ip: string | null): Promise<void> {
    const now = this.clock.date()
    await Promise.all([nameKey(username, ip), addressKey(ip)].map((key) => this.failures.add(key, now, WINDOW_MS)))
  }

  async succeeded(username: string, ip: string | null): Promise<void> {
    await this.failures.clear(nameKey(username, ip))
  }
}

const nameKey = (username: string, ip: string | null): string => `name:${ip ?? '-'}:${username.toLowerCase()}`
const addressKey = (ip: string | null): string => `address:${ip ?? '-'}`
