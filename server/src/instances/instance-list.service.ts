import { Injectable } from '@nestjs/common'
import type { Filter } from 'mongodb'
import { z } from 'zod'
import type { InstancePage, InstanceQuery, InstanceView } from '@jobtrail/api/instances'
import { INSTANCE_STATUSES } from '@jobtrail/protocol/domain/statuses'
import { Principal } from '../rights/principal.js'
import { decodeCursor, encodeCursor, toPage } from '../platform/http/cursor.js'
import { giveTurn } from '../platform/turns.js'
import { UserGate } from '../platform/user-gate.js'
import { idAt } from '../engine/domain/instance-id.js'
import { hasText } from '../engine/domain/result-text.js'
import { instanceView } from './instance-views.js'
import type { InstanceDocument } from '../engine/instance-document.js'
import { InstanceReads } from '../engine/instance-reads.service.js'

/** Instances read at a time: results have up to 64 KiB each. */
const BATCH = 250
/** Bounds of one call that looks for a worker or a text; its cursor goes on. */
const MOST_SEARCHED = 5_000
const SEARCH_MS = 1_000

/** Lists instances, newest first. */
@Injectable()
export class InstanceListService {
  private readonly gate = new UserGate({ what: 'searches through runs', running: 4, runningPerUser: 2, waiting: 64, waitingPerUser: 8, waitMs: 15_000 })

  constructor(private readonly reads: InstanceReads) {}

  async list(principal: Principal, query: InstanceQuery): Promise<InstancePage> {
    const before = query.cursor === undefined ? undefined : decodeCursor(z.uuid(), query.cursor)
    const filter = filterOf(principal, query)
    if (query.workerId !== undefined || query.text !== undefined) return this.gate.run(principal.key, () => this.search(filter, query, before))
    const rows = await this.reads.list(olderThan(filter, before), query.limit + 1)
    return { ...toPage(rows, query.limit, instanceView, ({ _id }) => _id), searchedTo: null }
  }

  /**
   * Neither the worker nor the text is indexed: an index by worker would be written for each attempt, on the way of every run, for a question that is
   * rarely asked. Attempts are found by their keys.
   */
  private async search(filter: Filter<InstanceDocument>, query: InstanceQuery, before: string | undefined): Promise<InstancePage> {
    const deadline = performance.now() + SEARCH_MS
    // Not the documents, which hold results.
    const found: InstanceView[] = []
    let last = before
    for (let searched = 0; searched < MOST_SEARCHED && performance.now() < deadline; searched += BATCH) {
      const batch = await this.reads.list(olderThan(filter, last), BATCH, { withResult: query.text !== undefined })
      const matches = await this.matchesOf(batch, query)
      for (const instance of batch) {
        last = instance._id
        if (matches.has(last) && found.push(instanceView(instance)) === query.limit) return pageUntil(found, instance)
      }
      const end = batch.at(-1)
      if (end === undefined || batch.length < BATCH) return { items: found, next: null, searchedTo: null }
      if (searched + BATCH >= MOST_SEARCHED || performance.now() >= deadline) return pageUntil(found, end)
    }
    throw new Error('a search ends with one of its batches')
  }

  private async matchesOf(batch: InstanceDocument[], { text, workerId }: InstanceQuery): Promise<Set<string>> {
    const named = text === undefined ? batch : await withText(batch, text)
    return workerId === undefined ? new Set(named.map(({ _id }) => _id)) : this.reads.givenTo(workerId, named)
  }
}

async function withText(batch: readonly InstanceDocument[], text: string): Promise<InstanceDocument[]> {
  const result: InstanceDocument[] = []
  for (const instance of batch) {
    if (hasText(text, instance.error, instance.result, instance.resultText)) result.push(instance)
    // A batch of large results takes long to look through.
    await giveTurn()
  }
  return result
}

function pageUntil(found: InstanceView[], last: InstanceDocument): InstancePage {
  return { items: found, next: encodeCursor(last._id), searchedTo: last.createdAt.toISOString() }
}

const olderThan = (filter: Filter<InstanceDocument>, id: string | undefined): Filter<InstanceDocument> =>
  id === undefined ? filter : { $and: [filter, { _id: { $lt: id } }] }

function filterOf(principal: Principal, query: InstanceQuery): Filter<InstanceDocument> {
  const namespaces = principal.namespaceFilter(query.namespace)
  const bounds = {
    ...(query.from === undefined ? {} : { $gte: idAt(query.from) }),
    ...(query.to === undefined ? {} : { $lt: idAt(query.to) }),
  }
  // Naming every status leads through the index of the namespace, else a quiet namespace is looked for among the instances of all.
  const statuses = query.status ?? (namespaces.namespace === undefined || query.jobId !== undefined ? undefined : [...INSTANCE_STATUSES])
  return {
    $and: [
      namespaces,
      ...(query.jobId === undefined ? [] : [{ jobId: query.jobId }]),
      ...(query.cause === undefined ? [] : [{ 'cause.kind': query.cause }]),
      ...(statuses === undefined ? [] : [{ status: { $in: statuses } }]),
      ...(Object.keys(bounds).length === 0 ? [] : [{ _id: bounds }]),
    ],
  }
}
