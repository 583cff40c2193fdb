import { Injectable } from '@nestjs/common'
import type { ClientSession } from 'mongodb'
import { z } from 'zod'
import {
  ALL_NAMESPACES,
  type ChangeNamespace,
  type CreateNamespace,
  KEEP_FOR_EVER,
  type ListQuery,
  type NamespacePage,
  type NamespaceView,
  type Retention,
} from '@jobtrail/api/auth'
import { AppError, ForbiddenError, NotFoundError, ValidationError } from '@jobtrail/protocol/domain/errors'
import { AuditService } from '../../audit/audit.service.js'
import { Clock } from '../../platform/clock.js'
import { decodeCursor, toPage } from '../../platform/http/cursor.js'
import { isDuplicateKey, Mongo } from '../../platform/mongo.js'
import { SignalBus } from '../../platform/signals.js'
import type { Principal } from '../../rights/principal.js'
import { ApiTokensRepository } from '../tokens/api-tokens.repository.js'
import { UsersRepository } from '../users/users.repository.js'
import { NamespaceContents } from './namespace-contents.js'
import { type NamespaceDocument, NamespacesRepository, type RemovedNamespace } from './namespaces.repository.js'

export type { RemovedNamespace } from './namespaces.repository.js'

const MAX_NAMES = 10_000

/** Namespaces are made and removed by those who are admin in all of them, and changed by their own admins too. */
@Injectable()
export class NamespacesService {
  constructor(
    private readonly mongo: Mongo,
    private readonly clock: Clock,
    private readonly namespaces: NamespacesRepository,
    private readonly contents: NamespaceContents,
    private readonly users: UsersRepository,
    private readonly apiTokens: ApiTokensRepository,
    private readonly audit: AuditService,
    private readonly signals: SignalBus,
  ) {}

  /**
   * To be called in each transaction that adds something to a namespace: throws ValidationError naming `field` unless it exists. It writes to the namespace, so that
   * nothing is left behind in one that is removed at the same time.
   */
  async addTo(name: string, session: ClientSession, field = 'namespace'): Promise<void> {
    if (!(await this.namespaces.noteAddition(name, session))) throw new ValidationError(field, `there is no namespace ${name}`)
  }

  async create(principal: Principal, input: CreateNamespace): Promise<NamespaceView> {
    principal.requireEverywhere('admin')
    const namespace: NamespaceDocument = { _id: input.name, description: input.description, createdAt: this.clock.date() }
    try {
      await this.mongo.transaction(async (session) => {
        await this.namespaces.insert(namespace, session)
        await this.audit.record({ principal, action: 'namespace.create', namespace: input.name, target: targetOf(input.name) }, session)
      })
    } catch (error) {
      if (!isDuplicateKey(error)) throw error
      const message = (await this.namespaces.isRemoved(input.name))
        ? `The runs and logs of the former namespace ${input.name} are still being deleted: the name is free when that is done`
        : `There is a namespace ${input.name} already`
      throw new AppError('NAME_TAKEN', message, { cause: error })
    }
    return toView(namespace)
  }

  /** Those in which the caller has a role. */
  async list(principal: Principal, query: ListQuery): Promise<NamespacePage> {
    const { namespace } = principal.namespaceFilter(query.namespace)
    const names = typeof namespace === 'string' ? [namespace] : namespace?.$in
    const afterName = query.cursor === undefined ? undefined : decodeCursor(z.string(), query.cursor)
    const rows = await this.namespaces.list({ names, afterName, limit: query.limit + 1 })
    return toPage(rows, query.limit, toView, (last) => last._id)
  }

  /**
   * Throws AppError STALE_REVISION, with the present namespace as `current`, unless the change is based on its present revision, and ForbiddenError when an admin of this
   * namespace alone would change how long its audit records are kept: nobody removes the traces of what they did.
   */
  change(principal: Principal, name: string, { revision, description, retention }: ChangeNamespace): Promise<NamespaceView> {
    principal.require(name, 'admin', 'namespace', name)
    return this.mongo.transaction(async (session) => {
      const current = await this.namespaces.find(name, session)
      if (current === null) throw new NotFoundError('namespace', name)
      const at = current.revision ?? 1
      if (at !== revision)
        throw new AppError('STALE_REVISION', `Namespace ${name} is at revision ${at}, the change is based on ${revision}`, { current: toView(current) })
      const from = retentionOf(current)
      const to = retention === undefined ? from : { ...retention, auditDays: retention.auditDays === undefined ? from.auditDays : retention.auditDays }
      if (to.auditDays !== from.auditDays) principal.requireEverywhere('admin')
      const changed = {
        ...current,
        revision: at + 1,
        ...(description === undefined ? {} : { description }),
        ...(retention === undefined ? {} : { retention: to }),
      }
      await this.namespaces.replace(changed, session)
      const details = { revision: at + 1, ...(retention === undefined ? {} : { retention: { from, to } }) }
      await this.audit.record({ principal, action: 'namespace.change', namespace: name, target: targetOf(name), details }, session)
      return toView(changed)
    })
  }

  /** Those in which something is not kept for ever. */
  async retentions(): Promise<{ namespace: string; retention: Retention }[]> {
    return (await this.namespaces.findWithRetention()).map((namespace) => ({ namespace: namespace._id, retention: retentionOf(namespace) }))
  }

  /** Those of `names` that are no namespaces any more. */
  async removedAmong(names: readonly string[]): Promise<string[]> {
    const present = await this.namespaces.findPresent(names)
    return names.filter((name) => !present.has(name))
  }

  /** All of them, up to a bound. */
  names(): Promise<string[]> {
    return this.namespaces.names(MAX_NAMES)
  }

  /** Removed ones whose data is being deleted, the longest waiting first. */
  findRemoved(): Promise<RemovedNamespace[]> {
    return this.namespaces.findRemoved()
  }

  /** null: something was found in it after all. */
  noteEmpty(name: string, since: Date | null): Promise<void> {
    return this.namespaces.noteEmpty(name, since)
  }

  /** Nothing of a removed one is left: its name is free. */
  freeName(name: string): Promise<void> {
    return this.namespaces.forget(name)
  }

  /**
   * Only one without jobs. It is gone at once, with its API tokens and the roles in it; what ran in it and its worker tokens are deleted afterwards (`NamespaceRemoval`).
   * Until then its name is taken, so that a later one of the same name shows nothing of it.
   */
  async delete(principal: Principal, name: string): Promise<void> {
    if (principal.roleIn(name) === undefined) throw new NotFoundError('namespace', name)
    if (!principal.can(ALL_NAMESPACES, 'admin')) throw new ForbiddenError('This needs the role admin in all namespaces')
    await this.mongo.transaction(async (session) => {
      if (!(await this.namespaces.markRemoved(name, this.clock.date(), session))) throw new NotFoundError('namespace', name)
      if (await this.contents.hasJobs(name, session)) throw new AppError('NOT_ALLOWED_IN_STATE', `Namespace ${name} has jobs: remove them first`)
      await this.users.withdrawGrants(name, session)
      await this.apiTokens.deleteOfNamespace(name, session)
      await this.audit.record({ principal, action: 'namespace.delete', namespace: name, target: targetOf(name) }, session)
    })
    this.signals.send('rights', '', {})
  }
}

const targetOf = (name: string): { kind: string; id: string; name: string } => ({ kind: 'namespace', id: name, name })

/** A former version stored no `auditDays`. */
const retentionOf = ({ retention }: NamespaceDocument): Retention => ({ ...KEEP_FOR_EVER, ...retention })

function toView(namespace: NamespaceDocument): NamespaceView {
  const { _id, description, createdAt, revision = 1 } = namespace
  return { name: _id, description, createdAt: createdAt.toISOString(), retention: retentionOf(namespace), revision }
}
