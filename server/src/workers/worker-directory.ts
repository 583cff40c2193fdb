import { Injectable } from '@nestjs/common'
import type { WorkerPage, WorkerView } from '@jobtrail/api/cluster'
import { NotFoundError } from '@jobtrail/protocol/domain/errors'
import { z } from 'zod'
import { AuditService } from '../audit/audit.service.js'
import type { Principal } from '../rights/principal.js'
import { canServe, type Route } from '../engine/domain/route.js'
import { Clock } from '../platform/clock.js'
import { decodeCursor, encodeCursor } from '../platform/http/cursor.js'
import { SignalBus } from '../platform/signals.js'
import { type WorkerDocument, WorkersRepository } from './workers.repository.js'

/** A worker that was silent for this long is not counted as connected, whatever its document says: its server may have died. */
const SILENT_AFTER_MS = 60_000

/** What all servers together know of workers. */
@Injectable()
export class WorkerDirectory {
  constructor(
    private readonly repository: WorkersRepository,
    private readonly audit: AuditService,
    private readonly signals: SignalBus,
    private readonly clock: Clock,
  ) {}

  /** Drains a worker, or takes it back: whichever server it is connected to, and also while it is away. */
  async setDrain(principal: Principal, id: string, isWanted: boolean): Promise<WorkerView> {
    const worker = await this.repository.findById(id)
    if (worker === null) throw new NotFoundError('worker', id)
    principal.require(worker.namespace, 'operator', 'worker', id)
    if (worker.drain?.isWanted !== isWanted && !(await this.repository.setDrain(id, isWanted))) throw new NotFoundError('worker', id)
    this.signals.send('drain', id, { workerId: id })
    await this.audit.record({
      principal,
      action: isWanted ? 'worker.drain' : 'worker.undrain',
      namespace: worker.namespace,
      target: { kind: 'worker', id, name: worker.name },
    })
    return this.view((await this.repository.findById(id)) ?? worker)
  }

  async list(principal: Principal, query: { namespace?: string | undefined; cursor?: string | undefined; limit: number }): Promise<WorkerPage> {
    const after = query.cursor === undefined ? {} : { _id: { $gt: decodeCursor(z.string(), query.cursor) } }
    const documents = await this.repository.list({ ...principal.namespaceFilter(query.namespace), ...after }, query.limit + 1)
    const items = documents.slice(0, query.limit)
    const last = items.at(-1)
    return { items: items.map((each) => this.view(each)), next: documents.length > query.limit && last !== undefined ? encodeCursor(last._id) : null }
  }

  async isVisible(principal: Principal, id: string): Promise<boolean> {
    return (await this.repository.list({ _id: id, ...principal.namespaceFilter() }, 1)).length > 0
  }

  /** Some of a namespace that was removed; how many. */
  deleteSomeOf(namespace: string): Promise<number> {
    return this.repository.deleteSomeOf(namespace)
  }

  /** Connected workers of a route's namespace and group, those of them that may take from the route, and those that may once they are not draining any more. */
  async forRoute(route: Route): Promise<{ inGroup: WorkerDocument[]; able: WorkerDocument[]; draining: WorkerDocument[] }> {
    const documents = await this.repository.list({ namespace: route.namespace, group: route.group, serverId: { $ne: null } }, 10_000)
    const inGroup = documents.filter((each) => this.stateOf(each) === 'connected')
    const draining = documents.filter((each) => this.stateOf(each) === 'draining' && canServe(each, route))
    return { inGroup, able: inGroup.filter((each) => canServe(each, route)), draining }
  }

  private stateOf(worker: WorkerDocument): WorkerView['state'] {
    if (worker.serverId === null || worker.lastHeartbeatAt.getTime() < this.clock.now() - SILENT_AFTER_MS) return 'disconnected'
    return worker.isDraining || worker.drain?.isWanted === true ? 'draining' : 'connected'
  }

  private view(worker: WorkerDocument): WorkerView {
    const state = this.stateOf(worker)
    return {
      id: worker._id,
      namespace: worker.namespace,
      name: worker.name,
      group: worker.group,
      tags: worker.tags,
      handlers: worker.handlers,
      slots: worker.slots,
      freeSlots: state === 'connected' ? worker.freeSlots : 0,
      running: worker.slots - worker.freeSlots,
      version: worker.version,
      host: worker.host,
      serverId: worker.serverId,
      state,
      isDrainWanted: worker.drain?.isWanted === true,
      spoolBytes: worker.spoolBytes,
      problem: state === 'disconnected' ? null : (worker.problem ?? null),
      lastRefusal: worker.lastRefusal === undefined ? null : { reason: worker.lastRefusal.reason, at: worker.lastRefusal.at.toISOString() },
      connectedAt: worker.connectedAt.toISOString(),
      lastHeartbeatAt: worker.lastHeartbeatAt.toISOString(),
    }
  }
}
