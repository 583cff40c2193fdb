import { Injectable } from '@nestjs/common'
import { AppError } from '@jobtrail/shared/domain/errors'
import { Clock } from '../../platform/clock.js'
import { networkOf } from '../../config/addresses.js'
import { delayAfter, delayOfAddressAfter, delayOfNameAfter } from './login-delay.js'
import { type LoginFailures, LoginFailuresRepository } from './login-failures.repository.js'

/** Failures are forgotten so long after the last one. */
const WINDOW_MS = 15 * 60_000

/** Who tries: `key` counts their own failures; `beside` counts those that others may have caused, each with the wait that follows from them. */
export type Tries = { key: string; beside: readonly { key: string; delayAfter: (failures: number) => number }[] }

/** All who come from an address, or from the IPv6 network that it is of. */
export const keyOfAddress = (ip: string | null): string => `address:${placeOf(ip)}`
const placeOf = (ip: string | null): string => (ip === null ? '-' : networkOf(ip))

/** A name from an address: others cannot hold someone up from elsewhere for long. */
export const triesOfName = (username: string, ip: string | null): Tries => {
  const name = username.toLowerCase()
  return {
    key: `name:${placeOf(ip)}:${name}`,
    beside: [
      { key: keyOfAddress(ip), delayAfter: delayOfAddressAfter },
      { key: `everywhere:${name}`, delayAfter: delayOfNameAfter },
    ],
  }
}
/** A device that its user has signed in on before: strangers who guess at their password, even from the same address, do not hold it up. */
export const triesOfDevice = (deviceId: string): Tries => ({ key: `device:${deviceId}`, beside: [] })
/** Somebody who is signed in. */
export const triesOfUser = (userId: string): Tries => ({ key: `user:${userId}`, beside: [] })

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
    const waits = [{ key: tries.key, delayAfter }, ...tries.beside]
    const found = await this.failures.find(
      waits.map(({ key }) => key),
      new Date(now),
    )
    const delayOf = ({ key, failures }: LoginFailures): number => waits.find((each) => each.key === key)?.delayAfter(failures) ?? 0
    const retryAfterMs = Math.max(0, ...found.map((each) => each.lastAt.getTime() + delayOf(each) - now))
    if (retryAfterMs > 0)
      throw new AppError('TOO_MANY_ATTEMPTS', `Too many wrong passwords: try again in ${Math.ceil(retryAfterMs / 1_000)} s`, { retryAfterMs })
  }

  async failed(tries: Tries): Promise<void> {
    const now = this.clock.date()
    await Promise.all([tries, ...tries.beside].map(({ key }) => this.failures.add(key, now, WINDOW_MS)))
  }

  async succeeded({ key }: Tries): Promise<void> {
    await this.failures.clear(key)
  }
}
