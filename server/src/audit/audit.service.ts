import { Injectable } from '@nestjs/common'
import type { ClientSession } from 'mongodb'
import { v7 as uuidv7 } from 'uuid'
import { z } from 'zod'
import { ALL_NAMESPACES, type AuditPage, type AuditQuery, type AuditRecord } from '@jobtrail/api/auth'
import { Id, Timestamp } from '@jobtrail/api/common'
import type { Principal } from '../rights/principal.js'
import { Batcher } from '../platform/batcher.js'
import { Clock } from '../platform/clock.js'
import { decodeCursor, toPage } from '../platform/http/cursor.js'
import { type AuditDocument, AuditRepository } from './audit.repository.js'
import { NamespaceTimes } from './namespace-times.js'
import { redact } from './redact.js'

/** A change to be told of. `principal` null: the system itself. `action` is `noun.verb` (`job.create`); `namespace` null: what belongs to none. */
export type AuditEntry = {
  principal: Principal | null
  action: string
  namespace: string | null
  target: { kind: string; id: string; name?: string | undefined }
  details?: Record<string, unknown>
}

const AuditCursor = z.object({ at: Timestamp, id: Id })

/** Who changed what, when and from where. */
@Injectable()
export class AuditService {
  /** Of changes without a transaction, such as runs over the API, which may be thousands a second. */
  private readonly inserts = new Batcher<AuditDocument, undefined>({
    write: (documents) => this.insertBatch(documents),
    maxItems: 500,
    maxInFlight: 2,
    minBeside: 64,
  })

  constructor(
    private readonly records: AuditRepository,
    private readonly namespaceTimes: NamespaceTimes,
    private readonly clock: Clock,
  ) {}

  /**
   * With `session` in the transaction of the change, so that there is neither without the other: definitions, users, rights and tokens. Without it after the change
   * and before its answer (runs, cancels, retries, drains, sessions): a server that dies between the two leaves a change without its record, and a caller without an
   * answer. Details lose what looks like a secret.
   */
  async record(entry: AuditEntry, session?: ClientSession): Promise<void> {
    const document = this.toDocument(entry)
    if (session === undefined) await this.inserts.add(document)
    else await this.records.insert([document], session)
  }

  /** Many at once, in one write. */
  async recordAll(entries: readonly AuditEntry[], session?: ClientSession): Promise<void> {
    if (entries.length === 0) return
    const documents = entries.map((entry) => this.toDocument(entry))
    await (session === undefined ? this.records.insertOnce(documents) : this.records.insert(documents, session))
  }

  /**
   * For admins: of the namespaces that they are admin in; what belongs to none, and to removed namespaces (also where there is one of the same name now), for those who are
   * admin in all.
   */
  async list(principal: Principal, query: AuditQuery): Promise<AuditPage> {
    const namespaces = principal.namespaceFilter(query.namespace, 'admin')
    const since = await this.sinceOf(principal, namespaces)
    if (since?.size === 0) return { items: [], next: null }
    const cursor = query.cursor === undefined ? undefined : decodeCursor(AuditCursor, query.cursor)
    const date = (text: string | undefined): Date | undefined => (text === undefined ? undefined : new Date(text))
    const rows = await this.records.list(
      {
        ...(since === undefined ? namespaces : { since }),
        actor: query.actor,
        action: query.action,
        targetId: query.targetId,
        from: date(query.from),
        to: date(query.to),
      },
      { after: cursor === undefined ? undefined : { at: new Date(cursor.at), id: cursor.id }, limit: query.limit + 1 },
    )
    return toPage(rows, query.limit, toRecord, (last) => ({ at: last.at.toISOString(), id: last._id }))
  }

  /** Namespaces that there are records of, also removed ones. */
  namespaces(): Promise<string[]> {
    return this.records.namespaces()
  }

  /** Some records of these namespaces from before a time; null: what belongs to none. How many. */
  deleteSomeBefore(before: Date, namespaces: readonly (string | null)[]): Promise<number> {
    return this.records.deleteSomeBefore(before, namespaces)
  }

  private async sinceOf(principal: Principal, { namespace }: ReturnType<Principal['namespaceFilter']>): Promise<Map<string, Date> | undefined> {
    if (namespace === undefined || principal.can(ALL_NAMESPACES, 'admin')) return undefined
    return this.namespaceTimes.createdAt(typeof namespace === 'string' ? [namespace] : namespace.$in)
  }

  private async insertBatch(documents: AuditDocument[]): Promise<undefined[]> {
    await this.records.insertOnce(documents)
    return documents.map(() => undefined)
  }

  private toDocument({ principal, action, namespace, target, details = {} }: AuditEntry): AuditDocument {
    return {
      _id: uuidv7(),
      at: this.clock.date(),
      actor: principal?.name ?? 'system',
      action,
      namespace,
      target: { kind: target.kind, id: target.id, ...(target.name === undefined ? {} : { name: target.name }) },
      ip: principal?.ip ?? null,
      requestId: principal?.requestId ?? null,
      details: redact(details),
    }
  }
}

function toRecord({ _id, at, ...rest }: AuditDocument): AuditRecord {
  return { id: _id, at: at.toISOString(), ...rest }
}
