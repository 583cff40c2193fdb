import { Injectable } from '@nestjs/common'
import { AppError } from '@jobtrail/shared/domain/errors'
import { Clock } from '../../platform/clock.js'
import { delayAfter, delayOfAddressAfter } from './login-delay.js'
import { type LoginFailures, LoginFailuresRepository } from './login-failures.repository.js'

/** Failures are forgotten so long after the last one. */
const WINDOW_MS = 15 * 60_000

/** Who tries: `key` counts their failures; `address` those of all who come from there, null where that is no matter. */
export type Tries = { key: string; address: string | null }

/** A name from an address: others cannot hold someone up from elsewhere. */
export const triesOfName = (username: string, ip: string | null): Tries => ({
  key: `name:${ip ?? '-'}:${username.toLowerCase()}`,
  address: `address:${ip ?? '-'}`,
})
/** A device that its user has signed in on before: strangers who guess at their password, even from the same address, do not hold it up. */
export const triesOfDevice = (deviceId: string): Tries => ({ key: `device:${deviceId}`, address: null })
/** Somebody who is signed in. */
export const triesOfUser = (userId: string): Tries => ({ key: `user:${userId}`, address: null })

/** Lets wrong passwords wait longer and longer, over all servers. Nobody is locked out: after the wait the next try counts. */
@Injectable()
export class LoginLimits {
  constructor(
    private readonly failures: LoginFailuresRepository,
    private readonly clock: Clock,
  ) {}

  /** Throws AppError TOO_MANY_ATTEMPTS until the wait after the last failure is over. */
  async check(tries: Tries): Promise<void> {
    const now = this.clock.now()
    const found = await this.failures.find(keysOf(tries), new Date(now))
    const retryAfterMs = Math.max(0, ...found.map((each) => each.lastAt.getTime() + delayOf(tries, each) - now))
    if (retryAfterMs > 0)
      throw new AppError('TOO_MANY_ATTEMPTS', `Too many wrong passwords: try again in ${Math.ceil(retryAfterMs / 1_000)} s`, { retryAfterMs })
  }

  async failed(tries: Tries): Promise<void> {
    const now = this.clock.date()
    await Promise.all(keysOf(tries).map((key) => this.failures.add(key, now, WINDOW_MS)))
  }

  async succeeded({ key }: Tries): Promise<void> {
    await this.failures.clear(key)
  }
}

const keysOf = ({ key, address }: Tries): string[] => (address === null ? [key] : [key, address])
const delayOf = ({ address }: Tries, { key, failures }: LoginFailures): number => (key === address ? delayOfAddressAfter(failures) : delayAfter(failures))
