import { Injectable } from '@nestjs/common'
import type { ClientSession } from 'mongodb'
import { v7 as uuidv7 } from 'uuid'
import { z } from 'zod'
import { ALL_NAMESPACES, type ChangeUser, type CreateUser, type Grants, type ListQuery, type UserPage, type UserView } from '@jobtrail/api/auth'
import { AppError, NotFoundError } from '@jobtrail/protocol/domain/errors'
import { AuditService } from '../../audit/audit.service.js'
import { Clock } from '../../platform/clock.js'
import { decodeCursor, toPage } from '../../platform/http/cursor.js'
import { isDuplicateKey, Mongo } from '../../platform/mongo.js'
import { SignalBus } from '../../platform/signals.js'
import { NamespacesService } from '../namespaces/namespaces.service.js'
import type { Principal } from '../../rights/principal.js'
import { SettingsRepository } from '../settings.repository.js'
import { ApiTokensRepository } from '../tokens/api-tokens.repository.js'
import { fromStoredGrants, isGlobalAdmin, toStoredGrants } from './grants.js'
import { hashPassword } from './passwords.js'
import { type UserChange, type UserDocument, UsersRepository } from './users.repository.js'

/** Users are managed by those who are admin in all namespaces. */
@Injectable()
export class UsersService {
  constructor(
    private readonly mongo: Mongo,
    private readonly clock: Clock,
    private readonly users: UsersRepository,
    private readonly tokens: ApiTokensRepository,
    private readonly namespaces: NamespacesService,
    private readonly settings: SettingsRepository,
    private readonly audit: AuditService,
    private readonly signals: SignalBus,
  ) {}

  async create(principal: Principal, input: CreateUser): Promise<UserView> {
    principal.requireEverywhere('admin')
    const now = this.clock.date()
    const user: UserDocument = {
      _id: uuidv7(),
      username: input.username,
      passwordHash: await hashPassword(input.password),
      grants: toStoredGrants(input.grants),
      disabled: false,
      sessionsVersion: 1,
      createdAt: now,
      updatedAt: now,
    }
    try {
      await this.mongo.transaction(async (session) => {
        await this.addToNamespaces(input.grants, session)
        await this.users.insert(user, session)
        await this.audit.record({ principal, action: 'user.create', namespace: null, target: targetOf(user), details: { grants: input.grants } }, session)
      })
    } catch (error) {
      if (isDuplicateKey(error)) throw new AppError('NAME_TAKEN', `There is a user ${input.username} already`, { cause: error })
      throw error
    }
    return toView(user)
  }

  async list(principal: Principal, query: ListQuery): Promise<UserPage> {
    principal.requireEverywhere('admin')
    const afterName = query.cursor === undefined ? undefined : decodeCursor(z.string(), query.cursor)
    const rows = await this.users.list({ namespace: query.namespace, afterName, limit: query.limit + 1 })
    return toPage(rows, query.limit, toView, (last) => last.username)
  }

  async get(principal: Principal, id: string): Promise<UserView> {
    principal.requireEverywhere('admin')
    const user = await this.users.findById(id)
    if (user === null) throw new NotFoundError('user', id)
    return toView(user)
  }

  /** A new password, and being disabled, end their sessions. */
  async change(principal: Principal, id: string, input: ChangeUser): Promise<UserView> {
    principal.requireEverywhere('admin')
    const change: UserChange = {}
    if (input.password !== undefined) change.passwordHash = await hashPassword(input.password)
    if (input.grants !== undefined) change.grants = toStoredGrants(input.grants)
    if (input.disabled !== undefined) change.disabled = input.disabled
    const endSessions = input.password !== undefined || input.disabled === true
    const details = { fields: Object.keys(input), grants: input.grants, disabled: input.disabled }
    const changed = await this.mongo.transaction(async (session) => {
      if (input.grants !== undefined) await this.addToNamespaces(input.grants, session)
      await this.settings.takeTurn('admins', session)
      const before = await this.users.findById(id, session)
      const user = await this.users.change(id, change, { endSessions, now: this.clock.date(), session })
      if (before === null || user === null) throw new NotFoundError('user', id)
      if (isGlobalAdmin(before) && !(await this.users.hasGlobalAdmin(session))) throw lastAdmin(before)
      await this.audit.record({ principal, action: 'user.change', namespace: null, target: targetOf(user), details }, session)
      return toView(user)
    })
    this.signals.send('rights', '', {})
    return changed
  }

  /** Their API tokens are revoked with them. */
  async delete(principal: Principal, id: string): Promise<void> {
    principal.requireEverywhere('admin')
    await this.mongo.transaction(async (session) => {
      await this.settings.takeTurn('admins', session)
      const user = await this.users.findById(id, session)
      if (user === null) throw new NotFoundError('user', id)
      await this.users.delete(id, session)
      if (isGlobalAdmin(user) && !(await this.users.hasGlobalAdmin(session))) throw lastAdmin(user)
      const revoked = await this.tokens.revokeOfUser(id, this.clock.date(), session)
      await this.audit.record({ principal, action: 'user.delete', namespace: null, target: targetOf(user), details: { apiTokensRevoked: revoked } }, session)
    })
    this.signals.send('rights', '', {})
  }

  private async addToNamespaces(grants: Grants, session: ClientSession): Promise<void> {
    for (const name of Object.keys(grants)) if (name !== ALL_NAMESPACES) await this.namespaces.addTo(name, session, `grants.${name}`)
  }
}

const targetOf = (user: UserDocument): { kind: string; id: string; name: string } => ({ kind: 'user', id: user._id, name: user.username })

const lastAdmin = (user: UserDocument): AppError =>
  new AppError('NOT_ALLOWED_IN_STATE', `${user.username} is the last one who is admin in all namespaces: make another one first`)

function toView(user: UserDocument): UserView {
  return { id: user._id, username: user.username, grants: fromStoredGrants(user.grants), disabled: user.disabled, createdAt: user.createdAt.toISOString() }
}
