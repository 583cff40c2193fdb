import { Injectable } from '@nestjs/common'
import { Binary } from 'mongodb'
import { v7 as uuidv7 } from 'uuid'
import type { CreateWorkerToken, ListQuery, WorkerTokenCreated, WorkerTokenPage, WorkerTokenView } from '@jobtrail/api/auth'
import { Id } from '@jobtrail/api/common'
import { ForbiddenError, NotFoundError } from '@jobtrail/protocol/domain/errors'
import { AuditService } from '../../audit/audit.service.js'
import { Clock } from '../../platform/clock.js'
import { decodeCursor, toPage } from '../../platform/http/cursor.js'
import { Mongo } from '../../platform/mongo.js'
import { SignalBus } from '../../platform/signals.js'
import { NamespacesService } from '../namespaces/namespaces.service.js'
import type { Principal } from '../../rights/principal.js'
import { isSecret, makeToken, parseToken } from './token-secret.js'
import { type WorkerTokenDocument, WorkerTokensRepository } from './worker-tokens.repository.js'

/** What a worker's token lets it be. `group` null: of any group. */
export type WorkerIdentity = { tokenId: string; namespace: string; group: string | null }

/** Worker tokens are managed by the admins of their namespace. */
@Injectable()
export class WorkerTokensService {
  constructor(
    private readonly mongo: Mongo,
    private readonly clock: Clock,
    private readonly tokens: WorkerTokensRepository,
    private readonly namespaces: NamespacesService,
    private readonly audit: AuditService,
    private readonly signals: SignalBus,
  ) {}

  async create(principal: Principal, input: CreateWorkerToken): Promise<WorkerTokenCreated> {
    principal.require(input.namespace, 'admin', 'namespace', input.namespace)
    // A worker gets secrets: what was made with a leaked API token would go on getting them after that one is revoked.
    if (principal.kind !== 'user') throw new ForbiddenError('Worker tokens are made by users, not with an API token')
    const id = uuidv7()
    const { text, hash } = makeToken('jtw_', id)
    const token: WorkerTokenDocument = {
      _id: id,
      namespace: input.namespace,
      name: input.name,
      group: input.group ?? null,
      hash: new Binary(hash),
      createdAt: this.clock.date(),
      revokedAt: null,
    }
    await this.mongo.transaction(async (session) => {
      await this.namespaces.addTo(input.namespace, session)
      await this.tokens.insert(token, session)
      await this.audit.record(
        { principal, action: 'worker-token.create', namespace: token.namespace, target: targetOf(token), details: { group: token.group } },
        session,
      )
    })
    return { ...toView(token), token: text }
  }

  async list(principal: Principal, query: ListQuery): Promise<WorkerTokenPage> {
    const namespaces = principal.namespaceFilter(query.namespace, 'admin')
    const beforeId = query.cursor === undefined ? undefined : decodeCursor(Id, query.cursor)
    const rows = await this.tokens.list(namespaces, { beforeId, limit: query.limit + 1 })
    return toPage(rows, query.limit, toView, (last) => last._id)
  }

  /** Its workers are disconnected, and none can connect with it from now on. It stays in the list; revoking it again changes nothing. */
  async revoke(principal: Principal, id: string): Promise<void> {
    const token = await this.tokens.find(id)
    if (token === null) throw new NotFoundError('worker token', id)
    principal.require(token.namespace, 'admin', 'worker token', id)
    await this.mongo.transaction(async (session) => {
      if (!(await this.tokens.revoke(id, this.clock.date(), session))) return
      await this.audit.record({ principal, action: 'worker-token.revoke', namespace: token.namespace, target: targetOf(token) }, session)
    })
    this.signals.send('workerTokens', '', {})
  }

  /** Which of them are valid now. */
  async validAmong(tokenIds: readonly string[]): Promise<ReadonlySet<string>> {
    return new Set(await this.tokens.validAmong(tokenIds))
  }

  /** Of a namespace that was removed; how many. All servers turn away the workers that use them. */
  async deleteOfNamespace(namespace: string): Promise<number> {
    const deleted = await this.tokens.deleteOfNamespace(namespace)
    if (deleted > 0) this.signals.send('workerTokens', '', {})
    return deleted
  }

  /** `isRevoked`: it was valid once. undefined: no such token. */
  async authenticate(text: string): Promise<(WorkerIdentity & { isRevoked: boolean }) | undefined> {
    const parts = parseToken('jtw_', text)
    if (parts === undefined) return undefined
    const token = await this.tokens.find(parts.id)
    if (token === null || !isSecret(parts.secret, token.hash.buffer)) return undefined
    return { isRevoked: token.revokedAt !== null, tokenId: token._id, namespace: token.namespace, group: token.group }
  }
}

const targetOf = (token: WorkerTokenDocument): { kind: string; id: string; name: string } => ({ kind: 'worker-token', id: token._id, name: token.name })

function toView(token: WorkerTokenDocument): WorkerTokenView {
  const { namespace, name, group } = token
  return { id: token._id, namespace, name, group, createdAt: token.createdAt.toISOString(), revokedAt: token.revokedAt?.toISOString() ?? null }
}
