import { Injectable } from '@nestjs/common'
import type { LogMatch, LogSearchPage, LogSearchQuery } from '@jobtrail/api/logs'
import type { AttemptKey } from '@jobtrail/protocol/domain/attempt-key'
import { AppError } from '@jobtrail/protocol/domain/errors'
import { Principal } from '../../rights/principal.js'
import { UserGate } from '../../platform/user-gate.js'
import { nextLine } from '../domain/page-window.js'
import { LogReader } from '../log-reader.service.js'
import type { StoredChunk } from '../log-store.js'
import { completenessOf } from '../log-streams.service.js'
import { type Search, SearchPool, SearchStoppedError } from './search-pool.js'
import type { SearchStep } from './search-task.js'

/** A thread is given so much at a time: small chunks go together. */
const BATCH_CHUNKS = 64
const BATCH_BYTES = 128 * 1024

type Found = { matches: LogMatch[]; reached: number }

/** Searches a whole log, chunk by chunk, in calls of bounded work. */
@Injectable()
export class LogSearchService {
  private readonly gate: UserGate

  constructor(
    private readonly reader: LogReader,
    private readonly pool: SearchPool,
  ) {
    this.gate = new UserGate({ what: 'searches', running: pool.size, runningPerUser: pool.size, waiting: 64, waitingPerUser: 4, waitMs: 10_000 })
  }

  async search(principal: Principal, instanceId: string, query: LogSearchQuery): Promise<LogSearchPage> {
    const selected = await this.reader.select(principal, instanceId, query)
    return this.gate.run(principal.key, async () => {
      const view = await this.reader.view(selected)
      const total = view.prefix.lines
      const { matches, reached } = await this.scan(selected.key, total, query)
      return { ...completenessOf(view), task: selected.key.task, attempt: selected.key.attempt, matches, next: nextLine('asc', reached, total, view.state) }
    })
  }

  private async scan(key: AttemptKey, total: number, query: LogSearchQuery): Promise<Found> {
    const found: Found = { matches: [], reached: query.from }
    const add = ({ matches, reached }: SearchStep): void => {
      found.matches.push(...matches)
      found.reached = reached
    }
    try {
      await this.pool.use({ key, query }, (search) => this.scanWith(search, key, total, query, add))
    } catch (error) {
      if (!(error instanceof SearchStoppedError)) throw error
      // What was searched until then is told; the next call begins with the line that takes so long, and has nothing to tell.
      if (found.reached <= query.from)
        throw new AppError('TOO_BROAD', `q: takes too long on line ${query.from}: make the pattern simpler, or go on from line ${query.from + 1}`, {
          cause: error,
        })
    }
    return found
  }

  private async scanWith(search: Search, key: AttemptKey, total: number, query: LogSearchQuery, add: (step: SearchStep) => void): Promise<void> {
    if (query.from >= total) return
    // From before the first line of interest: it may have a match that wants its context.
    for await (const chunks of batches(this.reader.chunks(key, Math.max(0, query.from - query.context), total))) {
      const step = await search.search(chunks, add)
      add(step)
      if (step.isOver) return
    }
    add(await search.finish())
  }
}

async function* batches(chunks: AsyncIterable<StoredChunk>): AsyncGenerator<StoredChunk[]> {
  let batch: StoredChunk[] = []
  let bytes = 0
  for await (const chunk of chunks) {
    batch.push(chunk)
    bytes += chunk.data.length
    if (batch.length < BATCH_CHUNKS && bytes < BATCH_BYTES) continue
    yield batch
    batch = []
    bytes = 0
  }
  if (batch.length > 0) yield batch
}
