import { Injectable } from '@nestjs/common'
import { Binary } from 'mongodb'
import { v7 as uuidv7 } from 'uuid'
import { type ApiTokenCreated, type ApiTokenPage, type ApiTokenView, type CreateApiToken, type ListQuery, ROLES } from '@jobtrail/api/auth'
import { Id } from '@jobtrail/api/common'
import { ForbiddenError, NotFoundError, ValidationError } from '@jobtrail/protocol/domain/errors'
import { AuditService } from '../../audit/audit.service.js'
import { Clock } from '../../platform/clock.js'
import { decodeCursor, toPage } from '../../platform/http/cursor.js'
import { Logger } from '../../platform/logging.js'
import { Mongo } from '../../platform/mongo.js'
import { SignalBus } from '../../platform/signals.js'
import { NamespacesService } from '../namespaces/namespaces.service.js'
import { Principal } from '../../rights/principal.js'
import { fromStoredGrants } from '../users/grants.js'
import { UsersRepository } from '../users/users.repository.js'
import { type ApiTokenDocument, ApiTokensRepository } from './api-tokens.repository.js'
import { isSecret, makeToken, parseToken } from './token-secret.js'

const MAX_MAKERS = 10_000

/** API tokens are managed by the admins of their namespace. */
@Injectable()
export class ApiTokensService {
  private readonly notingUse = new Set<string>()
  /** Maker by token: it never changes, so both can be looked up at the same time from the second call on. */
  private readonly makers = new Map<string, string>()

  constructor(
    private readonly mongo: Mongo,
    private readonly clock: Clock,
    private readonly tokens: ApiTokensRepository,
    private readonly users: UsersRepository,
    private readonly namespaces: NamespacesService,
    private readonly audit: AuditService,
    private readonly signals: SignalBus,
    private readonly logger: Logger,
  ) {}

  async create(principal: Principal, input: CreateApiToken): Promise<ApiTokenCreated> {
    principal.require(input.namespace, 'admin', 'namespace', input.namespace)
    // A token made by a token would live on after that one is revoked.
    if (principal.kind !== 'user') throw new ForbiddenError('API tokens are made by users, not with an API token')
    const now = this.clock.date()
    const expiresAt = input.expiresAt === undefined ? null : new Date(input.expiresAt)
    if (expiresAt !== null && expiresAt <= now) throw new ValidationError('expiresAt', 'must be in the future')
    const id = uuidv7()
    const { text, hash } = makeToken('jt_', id)
    const token: ApiTokenDocument = {
      _id: id,
      namespace: input.namespace,
      name: input.name,
      role: input.role,
      hash: new Binary(hash),
      userId: principal.id,
      createdAt: now,
      expiresAt,
      revokedAt: null,
      lastUsedAt: null,
    }
    await this.mongo.transaction(async (session) => {
      await this.namespaces.addTo(input.namespace, session)
      await this.tokens.insert(token, session)
      const details = { role: token.role, expiresAt: expiresAt?.toISOString() ?? null }
      await this.audit.record({ principal, action: 'api-token.create', namespace: token.namespace, target: targetOf(token), details }, session)
    })
    return { ...toView(token), token: text }
  }

  async list(principal: Principal, query: ListQuery): Promise<ApiTokenPage> {
    const namespaces = principal.namespaceFilter(query.namespace, 'admin')
    const beforeId = query.cursor === undefined ? undefined : decodeCursor(Id, query.cursor)
    const rows = await this.tokens.list(namespaces, { beforeId, limit: query.limit + 1 })
    return toPage(rows, query.limit, toView, (last) => last._id)
  }

  /** It stays in the list. Revoking it again changes nothing. */
  async revoke(principal: Principal, id: string): Promise<void> {
    const token = await this.tokens.findCurrent(id)
    if (token === undefined) throw new NotFoundError('API token', id)
    principal.require(token.namespace, 'admin', 'API token', id)
    await this.mongo.transaction(async (session) => {
      if (!(await this.tokens.revoke(id, this.clock.date(), session))) return
      await this.audit.record({ principal, action: 'api-token.revoke', namespace: token.namespace, target: targetOf(token) }, session)
    })
    this.signals.send('rights', '', {})
  }

  /** undefined: no such token, or it is revoked or expired, or its maker is gone or disabled. Its role is never above what its maker has now. */
  async authenticate(text: string, ip: string | null, requestId: string | null): Promise<Principal | undefined> {
    const parts = parseToken('jt_', text)
    if (parts === undefined) return undefined
    const knownMaker = this.makers.get(parts.id)
    const [token, makerSeen] = await Promise.all([this.tokens.findCurrent(parts.id), knownMaker === undefined ? undefined : this.users.findCurrent(knownMaker)])
    const now = this.clock.date()
    if (token === undefined || !isSecret(parts.secret, token.hash.buffer)) return undefined
    if (token.revokedAt !== null || (token.expiresAt !== null && token.expiresAt <= now)) return undefined
    if (knownMaker === undefined) this.rememberMaker(token)
    const maker = knownMaker === undefined ? await this.users.findCurrent(token.userId) : makerSeen
    if (maker === undefined || maker.disabled) return undefined
    const makersRole = new Principal('user', maker._id, maker.username, fromStoredGrants(maker.grants), ip, requestId).roleIn(token.namespace)
    if (makersRole === undefined) return undefined
    const role = ROLES[Math.min(ROLES.indexOf(token.role), ROLES.indexOf(makersRole))] ?? 'viewer'
    this.noteUse(token, now)
    return new Principal('token', token._id, `token:${token.name}`, { [token.namespace]: role }, ip, requestId)
  }

  private rememberMaker(token: ApiTokenDocument): void {
    if (this.makers.size >= MAX_MAKERS) this.makers.clear()
    this.makers.set(token._id, token.userId)
  }

  /** Nobody waits for it: it is only for people who tidy up. */
  private noteUse(token: ApiTokenDocument, now: Date): void {
    if (this.notingUse.has(token._id) || this.tokens.isUseNoted(token, now)) return
    this.notingUse.add(token._id)
    this.tokens
      .noteUse(token._id, now)
      .catch((err: unknown) => this.logger.warn('Could not note the use of an API token', { tokenId: token._id, err }))
      .finally(() => this.notingUse.delete(token._id))
  }
}

const targetOf = (token: ApiTokenDocument): { kind: string; id: string; name: string } => ({ kind: 'api-token', id: token._id, name: token.name })

function toView(token: ApiTokenDocument): ApiTokenView {
  const { namespace, name, role } = token
  const time = (date: Date | null): string | null => date?.toISOString() ?? null
  return {
    id: token._id,
    namespace,
    name,
    role,
    createdAt: token.createdAt.toISOString(),
    expiresAt: time(token.expiresAt),
    revokedAt: time(token.revokedAt),
    lastUsedAt: time(token.lastUsedAt),
  }
}
