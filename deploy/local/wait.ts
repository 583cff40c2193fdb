import { setTimeout as sleep } from 'node:timers/promises'

/** How long to wait, for what (it names the error), and how often to look: when left out, less often the longer it takes. */
export interface WaitOptions {
  timeoutMs: number
  what: string
  intervalMs?: number
}

const FIRST_INTERVAL_MS = 50
const LAST_INTERVAL_MS = 250
/** A look costs whoever is asked: what takes ten seconds need not be known within a twentieth of one. */
const INTERVAL_OF_ELAPSED = 0.1

const growingInterval = (elapsedMs: number): number => Math.min(LAST_INTERVAL_MS, Math.max(FIRST_INTERVAL_MS, elapsedMs * INTERVAL_OF_ELAPSED))

/** A condition that did not come true in time; `cause` is what the last look threw, if it did. */
export class WaitTimeoutError extends Error {
  override readonly name = 'WaitTimeoutError'
}

/** Ends the wait at once: the condition can no longer come true. */
export class WaitAbortedError extends Error {
  override readonly name = 'WaitAbortedError'
}

type Truthy<T> = Exclude<T, false | null | undefined | 0 | ''>

function isTruthy<T>(value: T): value is Truthy<T> {
  return Boolean(value)
}

/** Rejects when `promise` has not settled in time. The work behind it is not cancelled. */
export async function withTimeout<T>(promise: Promise<T>, timeoutMs: number, what: string): Promise<T> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => reject(new WaitTimeoutError(`${what}: nothing within ${Math.round(timeoutMs)} ms`)), timeoutMs)
  })
  try {
    return await Promise.race([promise, late])
  } finally {
    clearTimeout(timer)
  }
}

/**
 * Looks again and again until `probe` gives something truthy, and returns that. A probe that throws
 * has "not yet" as its answer (things are being killed while we look); the last error is kept as
 * the cause of the time-out.
 */
export async function waitFor<T>(probe: () => T | Promise<T>, options: WaitOptions): Promise<Truthy<T>> {
  const { timeoutMs, what, intervalMs } = options
  const startedAt = performance.now()
  const deadline = startedAt + timeoutMs
  let lastError: unknown
  let lastValue: T | undefined
  do {
    try {
      const left = Math.max(1, deadline - performance.now())
      const value = await withTimeout(Promise.resolve(probe()), left, what)
      if (isTruthy(value)) return value
      lastValue = value
      lastError = undefined
    } catch (error) {
      if (error instanceof WaitAbortedError) throw error
      lastError = error
    }
    const pauseMs = intervalMs ?? growingInterval(performance.now() - startedAt)
    await sleep(Math.min(pauseMs, Math.max(0, deadline - performance.now())))
  } while (performance.now() < deadline)
  const seen = lastError instanceof Error ? lastError.message : `last value: ${String(lastValue)}`
  throw new WaitTimeoutError(`waited ${timeoutMs} ms for ${what} (${seen})`, { cause: lastError })
}

/** Whether a GET answers 2xx within a second. */
export async function isHttpOk(url: string): Promise<boolean> {
  try {
    const response = await fetch(url, {
      signal: AbortSignal.timeout(1_000),
      headers: { connection: 'close' },
    })
    await response.arrayBuffer()
    return response.ok
  } catch {
    return false // not listening yet is the normal case while a process starts
  }
}
