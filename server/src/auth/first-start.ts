import { randomBytes } from 'node:crypto'
import { Inject, Injectable, type OnApplicationBootstrap } from '@nestjs/common'
import { v7 as uuidv7 } from 'uuid'
import { ALL_NAMESPACES } from '@jobtrail/api/auth'
import { AuditService } from '../audit/audit.service.js'
import { CONFIG, type Config } from '../config/config.js'
import { Clock } from '../platform/clock.js'
import { Logger } from '../platform/logging.js'
import { isDuplicateKey, Mongo } from '../platform/mongo.js'
import { NamespacesRepository } from './namespaces/namespaces.repository.js'
import { SettingsRepository } from './settings.repository.js'
import { hashPassword, isPassword } from './users/passwords.js'
import { type UserDocument, UsersRepository } from './users/users.repository.js'

const ADMIN = 'admin'
const DEFAULT_NAMESPACE = 'default'

/** Makes the user `admin` and the namespace `default`: once, by one of the servers that start on an empty database. */
@Injectable()
export class FirstStart implements OnApplicationBootstrap {
  constructor(
    @Inject(CONFIG) private readonly config: Config,
    private readonly mongo: Mongo,
    private readonly clock: Clock,
    private readonly settings: SettingsRepository,
    private readonly namespaces: NamespacesRepository,
    private readonly users: UsersRepository,
    private readonly audit: AuditService,
    private readonly logger: Logger,
  ) {}

  async onApplicationBootstrap(): Promise<void> {
    if (await this.settings.isStarted()) {
      // Not awaited: it is a hint only, and takes a while by intent.
      this.compareAdminPassword().catch((err: unknown) => this.logger.warn('Could not compare JOBTRAIL_ADMIN_PASSWORD', { err }))
      return
    }
    const password = this.config.adminPassword ?? randomBytes(18).toString('base64url')
    if (!(await this.makeFirstThings(await hashPassword(password)))) return
    this.logger.info('First start: made the user admin and the namespace default')
    if (this.config.adminPassword === undefined) {
      this.logger.warn(`*** The password of the user admin, shown only this once: ${password} ***`)
    }
  }

  /** False: another server did it. */
  private async makeFirstThings(passwordHash: string): Promise<boolean> {
    const now = this.clock.date()
    const admin: UserDocument = {
      _id: uuidv7(),
      username: ADMIN,
      passwordHash,
      grants: [{ namespace: ALL_NAMESPACES, role: 'admin' }],
      disabled: false,
      sessionsVersion: 1,
      createdAt: now,
      updatedAt: now,
    }
    try {
      await this.mongo.transaction(async (session) => {
        await this.settings.markStarted(now, session)
        await this.namespaces.insert({ _id: DEFAULT_NAMESPACE, description: '', createdAt: now }, session)
        await this.users.insert(admin, session)
        await this.audit.record(
          {
            principal: null,
            action: 'namespace.create',
            namespace: DEFAULT_NAMESPACE,
            target: { kind: 'namespace', id: DEFAULT_NAMESPACE, name: DEFAULT_NAMESPACE },
          },
          session,
        )
        await this.audit.record({ principal: null, action: 'user.create', namespace: null, target: { kind: 'user', id: admin._id, name: ADMIN } }, session)
      })
      return true
    } catch (error) {
      // The mark is there: whoever set it has made the rest with it, in one transaction.
      if (isDuplicateKey(error) && (await this.settings.isStarted())) return false
      throw error
    }
  }

  private async compareAdminPassword(): Promise<void> {
    if (this.config.adminPassword === undefined) return
    const admin = await this.users.findByName(ADMIN)
    if (admin === null || (await isPassword(this.config.adminPassword, admin.passwordHash))) return
    this.logger.warn(
      'JOBTRAIL_ADMIN_PASSWORD is not the password of the user admin: it counts at the first start only and changed nothing (PATCH /api/users/:id does)',
    )
  }
}
