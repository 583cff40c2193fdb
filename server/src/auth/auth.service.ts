import { Injectable } from '@nestjs/common'
import type { ChangePassword, Login, Session } from '@jobtrail/shared/api/auth'
import { AppError, ForbiddenError, ValidationError } from '@jobtrail/shared/domain/errors'
import { AuditService } from '../audit/audit.service.js'
import { Clock } from '../platform/clock.js'
import { Logger } from '../platform/logging.js'
import { Mongo } from '../platform/mongo.js'
import { SignalBus } from '../platform/signals.js'
import { Principal } from '../rights/principal.js'
import { EndedSessionsRepository } from './sessions/ended-sessions.repository.js'
import { keyOfAddress, LoginLimits, triesOfDevice, triesOfName, triesOfUser } from './sessions/login-limits.js'
import { SessionTokens } from './sessions/session-tokens.js'
import { ApiTokensService } from './tokens/api-tokens.service.js'
import { fromStoredGrants } from './users/grants.js'
import { hashPassword, isPassword, PasswordTurns, unmatchableHash } from './users/passwords.js'
import { type UserDocument, UsersRepository } from './users/users.repository.js'

/** Where a sign-in comes from; `device` is what an earlier one left there. */
export type LoginFrom = { ip: string | null; requestId: string | null; device: string | undefined }

/** Signs users in and out, and says who a bearer of a session or an API token is. */
@Injectable()
export class AuthService {
  private readonly turns = new PasswordTurns()
  private readonly nobody = unmatchableHash()
  private readonly credentials = new WeakMap<Principal, string>()

  constructor(
    private readonly mongo: Mongo,
    private readonly clock: Clock,
    private readonly users: UsersRepository,
    private readonly sessions: SessionTokens,
    private readonly endedSessions: EndedSessionsRepository,
    private readonly apiTokens: ApiTokensService,
    private readonly limits: LoginLimits,
    private readonly audit: AuditService,
    private readonly signals: SignalBus,
    private readonly logger: Logger,
  ) {}

  /** Throws AppError INVALID_CREDENTIALS, the same and after the same time whether name, password or a disabled user is the reason; TOO_MANY_ATTEMPTS. `device`: to be kept there for the next time. */
  async login({ username, password }: Login, { ip, requestId, device: deviceText }: LoginFrom): Promise<{ session: Session; device: string | undefined }> {
    const device = deviceText === undefined ? undefined : await this.sessions.readDevice(deviceText)
    const who = device === undefined ? keyOfAddress(ip) : triesOfDevice(device.deviceId).key
    // The limit is looked at inside the turn: many guesses sent at once would all pass it before the first is counted.
    const { user, isKnown, tries } = await this.turns.take(who, async () => {
      const found = await this.users.findByName(username)
      const isKnownDevice = device !== undefined && device.userId === found?._id
      const triesOf = isKnownDevice ? triesOfDevice(device.deviceId) : triesOfName(username, ip)
      await this.limits.check(triesOf)
      const isRight = await isPassword(password, found?.passwordHash ?? this.nobody)
      if (found !== null && isRight && !found.disabled) return { user: found, isKnown: isKnownDevice, tries: triesOf }
      await this.limits.failed(triesOf)
      this.logger.warn('Sign-in failed', { username, ip })
      throw new AppError('INVALID_CREDENTIALS', 'User name or password is wrong')
    })
    await this.limits.succeeded(tries)
    const { accessToken, expiresAt } = await this.sessions.sign(user._id, user.sessionsVersion)
    const principal = toPrincipal(user, ip, requestId)
    await this.audit.record({ principal, action: 'session.begin', namespace: null, target: { kind: 'user', id: user._id, name: user.username } })
    return { session: { accessToken, expiresAt: expiresAt.toISOString() }, device: isKnown ? undefined : await this.sessions.signDevice(user._id) }
  }

  /** Ends all of the user's sessions and begins a new one. Guesses at the present password are limited as those at sign-in are. */
  async changePassword(principal: Principal, { current, next }: ChangePassword): Promise<Session> {
    if (principal.kind !== 'user') throw new ForbiddenError('A password is changed by its user, signed in, not with an API token')
    const { id, name, ip } = principal
    const tries = triesOfUser(id)
    const { known, passwordHash } = await this.turns.take(tries.key, async () => {
      await this.limits.check(tries)
      const user = await this.users.findById(id)
      if (user === null || !(await isPassword(current, user.passwordHash))) {
        await this.limits.failed(tries)
        this.logger.warn('A wrong present password was given for a new one', { username: name, ip })
        throw new ValidationError('current', 'is not the present password')
      }
      if (await isPassword(next, user.passwordHash)) throw new ValidationError('next', 'must differ from the present password')
      return { known: user.passwordHash, passwordHash: await hashPassword(next) }
    })
    await this.limits.succeeded(tries)
    const changed = await this.mongo.transaction(async (session) => {
      const before = await this.users.findById(id, session)
      if (before?.passwordHash !== known || before.disabled) throw new AppError('CONFLICT', 'The user was changed at the same time: sign in again')
      await this.audit.record({ principal, action: 'user.password', namespace: null, target: { kind: 'user', id, name } }, session)
      return this.users.change(id, { passwordHash }, { endSessions: true, now: this.clock.date(), session })
    })
    if (changed === null) throw new AppError('CONFLICT', 'The user was removed at the same time')
    this.signals.send('rights', '', {})
    const { accessToken, expiresAt } = await this.sessions.sign(id, changed.sessionsVersion)
    return { accessToken, expiresAt: expiresAt.toISOString() }
  }

  /** Ends this one session; the user's others go on. (A new password, or being disabled, ends them all.) */
  async logout(principal: Principal, bearer: string): Promise<void> {
    const claims = await this.sessions.verify(bearer)
    if (claims === undefined) throw new ForbiddenError('An API token is not signed out but revoked')
    await this.endedSessions.end(claims.sessionId, claims.expiresAt)
    this.signals.send('rights', '', {})
    await this.audit.record({ principal, action: 'session.end', namespace: null, target: { kind: 'user', id: principal.id, name: principal.name } })
  }

  /** Who the bearer of a session or an API token is now; undefined: nobody that we know. Rejects when MongoDB does not answer. */
  async authenticate(bearer: string, ip: string | null, requestId: string | null): Promise<Principal | undefined> {
    const principal = await this.identify(bearer, ip, requestId)
    if (principal !== undefined) this.credentials.set(principal, bearer)
    return principal
  }

  /** What a principal was authenticated with. */
  credentialOf(principal: Principal): string {
    const credential = this.credentials.get(principal)
    if (credential === undefined) throw new Error('Only who was authenticated has a credential')
    return credential
  }

  private async identify(bearer: string, ip: string | null, requestId: string | null): Promise<Principal | undefined> {
    if (bearer.startsWith('jt_')) return this.apiTokens.authenticate(bearer, ip, requestId)
    const claims = await this.sessions.verify(bearer)
    if (claims === undefined) return undefined
    const [user, hasEnded] = await Promise.all([this.users.findCurrent(claims.userId), this.endedSessions.hasEnded(claims.sessionId)])
    if (user === undefined || user.disabled || hasEnded || user.sessionsVersion !== claims.version) return undefined
    return toPrincipal(user, ip, requestId)
  }
}

function toPrincipal(user: UserDocument, ip: string | null, requestId: string | null): Principal {
  return new Principal('user', user._id, user.username, fromStoredGrants(user.grants), ip, requestId)
}
