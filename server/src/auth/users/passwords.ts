import { randomBytes, scrypt, timingSafeEqual } from 'node:crypto'
import { AppError } from '@jobtrail/protocol/domain/errors'

type Parameters = { N: number; r: number; p: number }

/** 32 MiB and some 0.2 s of one core for each guess. */
const PARAMETERS: Parameters = { N: 2 ** 15, r: 8, p: 3 }
const SALT_BYTES = 16
const HASH_BYTES = 32
const FORMAT = /^scrypt\$(\d{1,9})\$(\d{1,3})\$(\d{1,3})\$([A-Za-z0-9_-]+)\$([A-Za-z0-9_-]+)$/

/** The hash of a password to be stored, with its salt and parameters: `scrypt$N$r$p$salt$hash`. */
export async function hashPassword(password: string, parameters: Parameters = PARAMETERS): Promise<string> {
  const salt = randomBytes(SALT_BYTES)
  const hash = await derive(password, salt, HASH_BYTES, parameters)
  return ['scrypt', parameters.N, parameters.r, parameters.p, salt.toString('base64url'), hash.toString('base64url')].join('$')
}

/** Whether a stored hash is that of the password. Takes the same time whichever byte differs. */
export async function isPassword(password: string, stored: string): Promise<boolean> {
  const [, N, r, p, salt, hash] = FORMAT.exec(stored) ?? []
  if (salt === undefined || hash === undefined) throw new Error('A stored password hash is not one')
  const expected = Buffer.from(hash, 'base64url')
  const actual = await derive(password, Buffer.from(salt, 'base64url'), expected.length, { N: Number(N), r: Number(r), p: Number(p) })
  return timingSafeEqual(actual, expected)
}

/** A hash that no password has, which costs as much to check as a real one: for the sign-in of someone unknown. */
export function unmatchableHash(): string {
  const { N, r, p } = PARAMETERS
  return ['scrypt', N, r, p, randomBytes(SALT_BYTES).toString('base64url'), randomBytes(HASH_BYTES).toString('base64url')].join('$')
}

function derive(password: string, salt: Buffer, length: number, { N, r, p }: Parameters): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    // One text can be typed in several Unicode forms.
    scrypt(password.normalize('NFKC'), salt, length, { N, r, p, maxmem: 256 * N * r }, (error, key) => (error === null ? resolve(key) : reject(error)))
  })
}

const tooMany = (): AppError => new AppError('UNAVAILABLE', 'Too many sign-ins at once: try again', { retryAfterMs: 2_000 })

/** Hashing runs on the threads that also compress logs and read files: few at a time, the others wait, and beyond a bound they are turned away. */
export class PasswordTurns {
  private running = 0
  private readonly waiting: (() => void)[] = []
  /** How many turns each has or waits for. */
  private readonly taken = new Map<string, number>()

  constructor(
    private readonly maxRunning = 2,
    private readonly maxWaiting = 100,
    private readonly maxOfOne = 20,
  ) {}

  /** `who` asks: no one address or device takes all turns. */
  async take<T>(who: string, work: () => Promise<T>): Promise<T> {
    const taken = this.taken.get(who) ?? 0
    if (taken >= this.maxOfOne) throw tooMany()
    this.taken.set(who, taken + 1)
    try {
      return await this.takeOne(work)
    } finally {
      const left = (this.taken.get(who) ?? 1) - 1
      if (left > 0) this.taken.set(who, left)
      else this.taken.delete(who)
    }
  }

  private async takeOne<T>(work: () => Promise<T>): Promise<T> {
    if (this.running >= this.maxRunning) {
      if (this.waiting.length >= this.maxWaiting) throw tooMany()
      // Whoever ends hands the turn over, so `running` stays as it is.
      await new Promise<void>((resolve) => this.waiting.push(resolve))
    } else this.running++
    try {
      return await work()
    } finally {
      const next = this.waiting.shift()
      if (next === undefined) this.running--
      else next()
    }
  }
}
