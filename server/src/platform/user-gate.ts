import { AppError } from '@jobtrail/protocol/domain/errors'

export type GateOptions = {
  /** What passes the gate, in the plural: "searches". */
  what: string
  running: number
  runningPerUser: number
  waiting: number
  waitingPerUser: number
  /** A caller that could not start within this time is turned away. */
  waitMs: number
}

type Waiting = { user: string; start: () => void }

const RETRY_AFTER_MS = 1_000

/**
 * Bounds costly work on this server, in all and for each user. What is over the bound waits in a bounded queue, and whoever has the least under way goes first, so
 * one greedy user holds up only their own calls.
 */
export class UserGate {
  private readonly running = new Map<string, number>()
  private readonly waiting = new Map<string, number>()
  private queue: Waiting[] = []
  private total = 0

  constructor(private readonly options: GateOptions) {}

  /** Rejects with TOO_MANY_REQUESTS when the user has too much waiting, and with UNAVAILABLE when the server has. `gone`: the caller no longer wants it. */
  async run<T>(user: string, work: () => Promise<T>, gone?: AbortSignal): Promise<T> {
    const leave = await this.enter(user, gone)
    try {
      return await work()
    } finally {
      leave()
    }
  }

  /** As {@link run}, for work that ends elsewhere: resolves with what must be called once when it has ended. */
  async enter(user: string, gone?: AbortSignal): Promise<() => void> {
    if (this.canStart(user)) this.begin(user)
    else await this.wait(user, gone)
    let hasLeft = false
    return () => {
      if (hasLeft) return
      hasLeft = true
      this.total--
      subtract(this.running, user)
      this.startNext()
    }
  }

  private canStart(user: string): boolean {
    return this.total < this.options.running && (this.running.get(user) ?? 0) < this.options.runningPerUser
  }

  private begin(user: string): void {
    this.total++
    this.running.set(user, (this.running.get(user) ?? 0) + 1)
  }

  private wait(user: string, gone: AbortSignal | undefined): Promise<void> {
    const { what, waiting, waitingPerUser, runningPerUser, waitMs } = this.options
    const own = this.waiting.get(user) ?? 0
    const most = runningPerUser + waitingPerUser
    if (own + (this.running.get(user) ?? 0) >= most) {
      throw new AppError('TOO_MANY_REQUESTS', `Too many ${what} at a time: a server takes ${most} of one user, wait for an answer first`, {
        retryAfterMs: RETRY_AFTER_MS,
      })
    }
    if (this.queue.length >= waiting) throw this.busy()
    this.waiting.set(user, own + 1)
    return new Promise((resolve, reject) => {
      const leaveQueue = (): void => {
        clearTimeout(timer)
        gone?.removeEventListener('abort', giveUp)
        subtract(this.waiting, user)
        this.queue = this.queue.filter((each) => each !== entry)
      }
      const giveUp = (): void => {
        leaveQueue()
        reject(this.busy())
      }
      const entry: Waiting = {
        user,
        start: () => {
          leaveQueue()
          this.begin(user)
          resolve()
        },
      }
      const timer = setTimeout(giveUp, waitMs)
      gone?.addEventListener('abort', giveUp)
      this.queue.push(entry)
    })
  }

  private startNext(): void {
    let next: Waiting | undefined
    for (const each of this.queue) {
      if (this.canStart(each.user) && (next === undefined || this.runningOf(each) < this.runningOf(next))) next = each
    }
    next?.start()
  }

  private runningOf({ user }: Waiting): number {
    return this.running.get(user) ?? 0
  }

  private busy(): AppError {
    return new AppError('UNAVAILABLE', `This server has too many ${this.options.what} under way: try again`, { retryAfterMs: RETRY_AFTER_MS })
  }
}

function subtract(counts: Map<string, number>, user: string): void {
  const left = (counts.get(user) ?? 0) - 1
  if (left > 0) counts.set(user, left)
  else counts.delete(user)
}
