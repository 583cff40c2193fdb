import { z } from 'zod'
import { Id, Name, NamespaceName, pageOf, Timestamp, InputTime, Cursor, Limit } from './common.js'

export const ROLES = ['viewer', 'operator', 'admin'] as const
/** viewer reads; operator also runs, cancels, retries; admin also defines jobs, users and tokens. Each includes the ones before it. */
export const Role = z.enum(ROLES)
export type Role = z.infer<typeof Role>
/** Every namespace, also those yet to be made. */
export const ALL_NAMESPACES = '*'
/** Role by namespace; `*` stands for every namespace. */
export const Grants = z.record(z.union([NamespaceName, z.literal(ALL_NAMESPACES)]), Role)
export type Grants = z.infer<typeof Grants>

const Password = z.string().min(10, 'must have at least 10 characters').max(200)

export const Login = z.strictObject({ username: z.string().min(1).max(63), password: z.string().min(1).max(200) })
export type Login = z.infer<typeof Login>
export const Session = z.object({ accessToken: z.string(), expiresAt: Timestamp })
export type Session = z.infer<typeof Session>
export const Me = z.object({ kind: z.enum(['user', 'token']), name: z.string(), grants: Grants })
export type Me = z.infer<typeof Me>
/** A user's own password: `current` is the one that they have, `next` the new one. Ends all of their sessions; the answer is a new one. */
export const ChangePassword = z.strictObject({ current: z.string().min(1).max(200), next: Password })
export type ChangePassword = z.infer<typeof ChangePassword>

export const CreateUser = z.strictObject({ username: Name, password: Password, grants: Grants.default({}) })
export type CreateUser = z.infer<typeof CreateUser>
export const ChangeUser = z.strictObject({ password: Password.optional(), grants: Grants.optional(), disabled: z.boolean().optional() })
export type ChangeUser = z.infer<typeof ChangeUser>
export const UserView = z.object({ id: Id, username: z.string(), grants: Grants, disabled: z.boolean(), createdAt: Timestamp })
export type UserView = z.infer<typeof UserView>
export const UserPage = pageOf(UserView)
export type UserPage = z.infer<typeof UserPage>

export const CreateNamespace = z.strictObject({ name: NamespaceName, description: z.string().max(2_000).default('') })
export type CreateNamespace = z.infer<typeof CreateNamespace>
/** The longest that can be asked for; longer is for ever. */
export const MAX_RETENTION_DAYS = 36_500
const Days = z
  .int()
  .min(0)
  .max(MAX_RETENTION_DAYS)
  .nullable()
  .transform((days) => (days === 0 ? null : days))
/**
 * How many days after its end a run is kept, and its logs. `runsDays` null (or 0): for ever. `logsDays` null (or 0): as long as the run. When only the logs are
 * removed, the run stays and says how many lines it had. `auditDays` null (or 0): for ever. So many days the history of changes is kept: audit records, and revisions of
 * jobs beyond the newest {@link KEPT_REVISIONS} that no stored run was made from. Left out, it stays as it is; changing it needs the role admin in all namespaces.
 */
export const ChangeRetention = z
  .strictObject({ runsDays: Days, logsDays: Days, auditDays: Days.optional() })
  .refine(({ runsDays, logsDays }) => runsDays === null || logsDays === null || logsDays <= runsDays, {
    path: ['logsDays'],
    message: 'must not be more than runsDays: logs are removed with their run',
  })
export type ChangeRetention = z.infer<typeof ChangeRetention>
export type Retention = { runsDays: number | null; logsDays: number | null; auditDays: number | null }
export const KEEP_FOR_EVER: Retention = { runsDays: null, logsDays: null, auditDays: null }
/** Of each job, however old they are. */
export const KEPT_REVISIONS = 100
/** `revision` is the one that the change is based on; a stale one is 409. */
export const ChangeNamespace = z.strictObject({
  revision: z.int().min(1),
  description: z.string().max(2_000).optional(),
  retention: ChangeRetention.optional(),
})
export type ChangeNamespace = z.infer<typeof ChangeNamespace>
export const NamespaceView = z.object({
  name: z.string(),
  description: z.string(),
  createdAt: Timestamp,
  retention: z.object({ runsDays: z.int().nullable(), logsDays: z.int().nullable(), auditDays: z.int().nullable() }),
  revision: z.int(),
})
export type NamespaceView = z.infer<typeof NamespaceView>
export const NamespacePage = pageOf(NamespaceView)
export type NamespacePage = z.infer<typeof NamespacePage>

/** An API token acts in one namespace with one role, never above its maker's. */
export const CreateApiToken = z.strictObject({ namespace: NamespaceName, name: Name, role: Role, expiresAt: InputTime.optional() })
export type CreateApiToken = z.infer<typeof CreateApiToken>
export const ApiTokenView = z.object({
  id: Id,
  namespace: z.string(),
  name: z.string(),
  role: Role,
  createdAt: Timestamp,
  expiresAt: Timestamp.nullable(),
  revokedAt: Timestamp.nullable(),
  lastUsedAt: Timestamp.nullable(),
})
export type ApiTokenView = z.infer<typeof ApiTokenView>
/** `token` is shown this once; only its hash is stored. */
export const ApiTokenCreated = ApiTokenView.extend({ token: z.string() })
export type ApiTokenCreated = z.infer<typeof ApiTokenCreated>
export const ApiTokenPage = pageOf(ApiTokenView)
export type ApiTokenPage = z.infer<typeof ApiTokenPage>

/** Lets workers of a namespace connect; with `group`, only workers of that group. */
export const CreateWorkerToken = z.strictObject({ namespace: NamespaceName, name: Name, group: Name.optional() })
export type CreateWorkerToken = z.infer<typeof CreateWorkerToken>
export const WorkerTokenView = z.object({
  id: Id,
  namespace: z.string(),
  name: z.string(),
  group: z.string().nullable(),
  createdAt: Timestamp,
  revokedAt: Timestamp.nullable(),
})
export type WorkerTokenView = z.infer<typeof WorkerTokenView>
export const WorkerTokenCreated = WorkerTokenView.extend({ token: z.string() })
export type WorkerTokenCreated = z.infer<typeof WorkerTokenCreated>
export const WorkerTokenPage = pageOf(WorkerTokenView)
export type WorkerTokenPage = z.infer<typeof WorkerTokenPage>

export const ListQuery = z.strictObject({ namespace: NamespaceName.optional(), cursor: Cursor.optional(), limit: Limit.default(50) })
export type ListQuery = z.infer<typeof ListQuery>

/** One change: who, what, when, from where. */
export const AuditRecord = z.object({
  id: Id,
  at: Timestamp,
  actor: z.string(),
  action: z.string(),
  namespace: z.string().nullable(),
  target: z.object({ kind: z.string(), id: z.string(), name: z.string().optional() }),
  ip: z.string().nullable(),
  requestId: z.string().nullable(),
  details: z.record(z.string(), z.unknown()),
})
export type AuditRecord = z.infer<typeof AuditRecord>
export const AuditPage = pageOf(AuditRecord)
export type AuditPage = z.infer<typeof AuditPage>
export const AuditQuery = z.strictObject({
  namespace: NamespaceName.optional(),
  actor: z.string().max(100).optional(),
  action: z.string().max(100).optional(),
  targetId: z.string().max(100).optional(),
  from: InputTime.optional(),
  to: InputTime.optional(),
  cursor: Cursor.optional(),
  limit: Limit.default(50),
})
export type AuditQuery = z.infer<typeof AuditQuery>
