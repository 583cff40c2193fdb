import { readFileSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { Worker } from 'node:worker_threads'
import { Injectable, type OnApplicationShutdown } from '@nestjs/common'
import { AppError, ValidationError } from '@jobtrail/protocol/domain/errors'
import { Logger } from '../../platform/logging.js'
import type { StoredChunk } from '../log-store.js'
import type { FromThread, ToThread } from './search-messages.js'
import type { SearchOrder, SearchStep } from './search-task.js'

const START_MS = 15_000
/** A thread tells each few milliseconds what it has found, unless one line takes it longer. One that is silent for so much of its CPU time is ended, */
const SILENT_MS = 2_000
/** or, where that is not known or the machine is too busy to give it any, for so long. */
const SILENT_AT_MOST_MS = 10_000
const MEMORY = { maxOldGenerationSizeMb: 256, maxYoungGenerationSizeMb: 32 } as const

/** A search was stopped: one line took too long, or all of its memory. */
export class SearchStoppedError extends Error {
  override name = 'SearchStoppedError'
}

/** A search under way in a thread. */
export type Search = {
  /** Searches chunks; `onStep` hears what is found on the way. Rejects with SearchStoppedError when it had to be stopped. */
  search(chunks: StoredChunk[], onStep: (step: SearchStep) => void): Promise<SearchStep>
  /** There are no more chunks: what still waits for lines after it is told. */
  finish(): Promise<SearchStep>
}

/** Threads for searches, made when they are first needed. Patterns are compiled and matched nowhere else, so the server answers whatever they cost. */
@Injectable()
export class SearchPool implements OnApplicationShutdown {
  /** Searches at a time. The rest of the machine belongs to the server itself, to MongoDB, or to workers. */
  readonly size = Math.max(1, Math.min(4, availableParallelism() - 1))
  private readonly idle: SearchThread[] = []
  private readonly all = new Set<SearchThread>()

  constructor(private readonly logger: Logger) {}

  /** Runs `work` with a thread of its own; callers see to it that there are no more than {@link size} at a time. */
  async use<T>(order: SearchOrder, work: (search: Search) => Promise<T>): Promise<T> {
    const thread = this.idle.pop() ?? this.add()
    try {
      await thread.begin(order)
      return await work(thread)
    } finally {
      if (thread.isIdle) this.idle.push(thread)
      else void this.end(thread)
    }
  }

  async onApplicationShutdown(): Promise<void> {
    await Promise.all([...this.all].map((thread) => this.end(thread)))
  }

  private add(): SearchThread {
    const thread = new SearchThread()
    this.all.add(thread)
    return thread
  }

  private async end(thread: SearchThread): Promise<void> {
    this.all.delete(thread)
    try {
      await thread.end()
    } catch (err) {
      this.logger.warn('A search thread could not be ended', { err })
    }
  }
}

class SearchThread implements Search {
  private readonly worker = new Worker(new URL('./search-thread.js', import.meta.url), { resourceLimits: MEMORY, env: {}, name: 'search' })
  private isReady = false
  private threadId: string | undefined
  private hasEnded = false
  private waiting: { onMessage: (message: FromThread) => void; onEnd: (error: Error) => void } | undefined

  constructor() {
    // It keeps no server alive that wants to leave.
    this.worker.unref()
    this.worker.on('message', (message: FromThread) => this.waiting?.onMessage(message))
    this.worker.on('error', (cause) => this.stop(new SearchStoppedError('The search thread failed', { cause })))
    this.worker.on('exit', () => this.stop(new SearchStoppedError('The search thread ended')))
  }

  /** May it take another search? Not while it may still be at work, nor once it has ended. */
  get isIdle(): boolean {
    return !this.hasEnded && this.waiting === undefined
  }

  async begin(order: SearchOrder): Promise<void> {
    if (!this.isReady) {
      const ready = await this.ask(undefined, START_MS, ({ kind }) => kind === 'ready')
      this.isReady = true
      this.threadId = ready.kind === 'ready' ? ready.threadId : undefined
    }
    await this.ask({ kind: 'begin', order }, SILENT_MS, ({ kind }) => kind === 'begun')
  }

  search(chunks: StoredChunk[], onStep: (step: SearchStep) => void): Promise<SearchStep> {
    // Views on one large buffer of the driver: a message would carry all of it.
    const own = chunks.map(({ header, data }) => ({ header, data: Buffer.from(Uint8Array.from(data).buffer) }))
    return this.step({ kind: 'chunks', chunks: own }, onStep)
  }

  finish(): Promise<SearchStep> {
    return this.step({ kind: 'end' }, () => undefined)
  }

  private async step(message: ToThread, onStep: (step: SearchStep) => void): Promise<SearchStep> {
    const done = await this.ask(message, SILENT_MS, (answer) => {
      if (answer.kind === 'step') onStep(answer)
      return answer.kind === 'done'
    })
    if (done.kind !== 'done') throw new Error('a step of a search ends with `done`')
    return done
  }

  async end(): Promise<void> {
    this.hasEnded = true
    await this.worker.terminate()
  }

  /** Resolves with the message that `isLast` is true of. The thread is stopped when nothing comes for `silentMs`. */
  private ask(message: ToThread | undefined, silentMs: number, isLast: (message: FromThread) => boolean): Promise<FromThread> {
    return new Promise((resolve, reject) => {
      const settle = (): void => {
        clearTimeout(timer)
        this.waiting = undefined
      }
      const onEnd = (error: Error): void => {
        settle()
        reject(error)
      }
      let heardAt = performance.now()
      let cpuMs = cpuTimeOf(this.threadId)
      const timer = setTimeout(() => {
        const used = cpuTimeOf(this.threadId)
        const isStarved = used !== undefined && cpuMs !== undefined && used - cpuMs < silentMs / 2
        if (isStarved && performance.now() - heardAt < SILENT_AT_MOST_MS) return void timer.refresh()
        this.hasEnded = true
        onEnd(new SearchStoppedError(`Nothing came from the search thread for ${silentMs} ms`))
      }, silentMs)
      const onMessage = (answer: FromThread): void => {
        if (answer.kind === 'invalid') return onEnd(new ValidationError(answer.path, answer.message.replace(`${answer.path}: `, '')))
        if (answer.kind === 'failed') return onEnd(new AppError('INTERNAL', `The search failed: ${answer.message}`))
        heardAt = performance.now()
        cpuMs = cpuTimeOf(this.threadId)
        timer.refresh()
        if (!isLast(answer)) return
        settle()
        resolve(answer)
      }
      this.waiting = { onMessage, onEnd }
      if (this.hasEnded) return onEnd(new SearchStoppedError('The search thread has ended'))
      if (message !== undefined) this.worker.postMessage(message, buffersOf(message))
    })
  }

  private stop(error: Error): void {
    this.hasEnded = true
    this.waiting?.onEnd(error)
  }
}

const TICK_MS = 10

/** CPU time of a thread of this process, in ms; undefined where it is not told. */
function cpuTimeOf(threadId: string | undefined): number | undefined {
  if (threadId === undefined) return undefined
  try {
    // Its name, in parentheses, may hold blanks; behind it user and system time are the 12th and 13th number.
    const fields = readFileSync(`/proc/self/task/${threadId}/stat`, 'latin1').split(') ').at(-1)?.split(' ') ?? []
    return (Number(fields[11]) + Number(fields[12])) * TICK_MS
  } catch {
    return undefined // it has just ended, or /proc is not there
  }
}

/** Moved to the thread rather than copied again. */
const buffersOf = (message: ToThread): ArrayBuffer[] =>
  message.kind === 'chunks' ? message.chunks.flatMap(({ data: { buffer } }) => (buffer instanceof ArrayBuffer ? [buffer] : [])) : []
