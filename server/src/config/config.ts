import { BlockList } from 'node:net'
import { hostname } from 'node:os'
import { z } from 'zod'
import { parseRedisAddress, REDIS_ADDRESS_FORM, type RedisAddress } from './redis-address.js'
import { MAX_RETENTION_DAYS } from '@jobtrail/shared/api/auth'
import { parseAddresses } from './addresses.js'

const milliseconds = (fallback: number, min: number, max: number, purpose: string) =>
  z.coerce.number({ error: 'must be a number of milliseconds' }).int().min(min).max(max).default(fallback).describe(purpose)

const SECRET_KEY = /^([a-zA-Z0-9_-]{1,32}):([A-Za-z0-9+/]{43}=)$/

/** AES-256 keys by their IDs; the first one seals, all of them open. */
export type SecretKeys = readonly { id: string; key: Buffer }[]

function parseSecretKeys(text: string): SecretKeys | undefined {
  const keys = text.split(',').flatMap((each) => {
    const [, id, key] = SECRET_KEY.exec(each.trim()) ?? []
    return id === undefined || key === undefined ? [] : [{ id, key: Buffer.from(key, 'base64') }]
  })
  const isGood = keys.length === text.split(',').length && new Set(keys.map(({ id }) => id)).size === keys.length
  return isGood ? keys : undefined
}

/** Every environment variable of a server, with its meaning: the README's table is made from this. */
export const Environment = z.object({
  JOBTRAIL_HOST: z.string().min(1).default('0.0.0.0').describe('Address to listen on'),
  JOBTRAIL_PORT: z.coerce.number({ error: 'must be a port number' }).int().min(1).max(65_535).default(7701).describe('Port to listen on'),
  MONGODB_URI: z
    .string()
    .regex(/^mongodb(\+srv)?:\/\//, 'must start with mongodb:// or mongodb+srv://')
    .default('mongodb://127.0.0.1:27017/jobtrail?replicaSet=rs0')
    .describe('MongoDB replica set; the path names the database (jobtrail when absent)'),
  REDIS_URL: z
    .string()
    .default('redis://127.0.0.1:6379')
    .transform((text, context) => {
      const address = parseRedisAddress(text)
      if (address === undefined) context.addIssue(REDIS_ADDRESS_FORM)
      return address ?? z.NEVER
    })
    .describe(
      'Redis: `redis://host:port/db`, `redis-sentinel://host:port,…/name/db` for the primary that Sentinels name, or `redis-cluster://host:port,…`; `user:password@` before the hosts, `rediss…` for TLS',
    ),
  JOBTRAIL_KEY_PREFIX: z
    .string()
    .regex(/^[a-z0-9-]{1,40}$/, 'must be 1-40 lower-case letters, digits or dashes')
    .default('jobtrail')
    .describe('Prefix of all Redis keys; clusters that share a Redis need different ones'),
  JOBTRAIL_SERVER_ID: z.string().min(1).max(100).optional().describe('Name of this server in lists and logs (default: host name and process)'),
  JOBTRAIL_ADMIN_PASSWORD: z
    .string()
    .min(10, 'must have at least 10 characters')
    .optional()
    .describe('Password of the first user `admin`; generated and logged once when absent'),
  JOBTRAIL_JWT_SECRET: z
    .string()
    .min(32, 'must have at least 32 characters')
    .optional()
    .describe('Signs sessions; made at first start and kept in MongoDB when absent'),
  JOBTRAIL_SECRET_KEYS: z
    .string()
    .refine((text) => parseSecretKeys(text) !== undefined, {
      message: 'must be id:key, or several with commas between; each id of letters, digits, - and _, and once only; each key 32 bytes in base64',
    })
    .optional()
    .describe(
      "Keys that seal jobs' secrets in MongoDB: `id:key,…`, each key 32 bytes in base64; the first one seals, all open. Without it secrets are refused",
    ),
  JOBTRAIL_SESSION_MS: milliseconds(12 * 3_600_000, 60_000, 30 * 86_400_000, 'How long a sign-in lasts'),
  JOBTRAIL_LEASE_MS: milliseconds(30_000, 2_000, 600_000, 'How long a worker may run an attempt without a heartbeat'),
  JOBTRAIL_RETENTION_SWEEP_MS: milliseconds(600_000, 500, 86_400_000, 'How often the cluster looks for what is kept long enough'),
  JOBTRAIL_UPGRADE_GRACE_MS: milliseconds(
    3_600_000,
    0,
    30 * 86_400_000,
    'How long no server of an older version must have run before data is stored in a form that older versions do not read: so long an upgrade can be taken back',
  ),
  JOBTRAIL_AUDIT_DAYS: z.coerce
    .number({ error: 'must be a number of days' })
    .int()
    .min(0)
    .max(MAX_RETENTION_DAYS)
    .default(0)
    .describe('How many days audit records are kept that belong to no namespace (sign-ins, users) or to a removed one; 0: for ever'),
  JOBTRAIL_TRUST_PROXY: z.coerce
    .number({ error: 'must be a number of proxies' })
    .int()
    .min(0)
    .max(10)
    .default(1)
    .describe('Number of proxies in front whose X-Forwarded-For is believed'),
  JOBTRAIL_TRUSTED_PROXIES: z
    .string()
    .refine((text) => parseAddresses(text) !== undefined, {
      message: 'must be IP addresses, networks such as 10.0.0.0/8, `loopback` or `private`, with commas between',
    })
    .default('loopback')
    .describe(
      'Addresses of these proxies: X-Forwarded-For of anybody else is ignored. IP addresses, networks (`10.0.0.0/8`), `loopback`, `private`; commas between',
    ),
  JOBTRAIL_METRICS_TOKEN: z
    .string()
    .regex(/^[A-Za-z0-9._~+/=-]{16,256}$/, 'must be 16-256 letters, digits or any of ._~+/=-')
    .optional()
    .describe('What `/metrics` asks for as `Authorization: Bearer`; with it queue depths are told by route, without it only in sum'),
  JOBTRAIL_STATIC_DIR: z.string().min(1).optional().describe('Folder served at / (the console)'),
  JOBTRAIL_LOG_LEVEL: z.enum(['trace', 'debug', 'info', 'warn', 'error', 'fatal']).default('info').describe('What is logged'),
})

/** Settings of a server; the only reader of the environment is {@link parseConfig}. */
export type Config = Readonly<{
  host: string
  port: number
  mongodbUri: string
  redis: RedisAddress
  keyPrefix: string
  serverId: string
  adminPassword: string | undefined
  jwtSecret: string | undefined
  secretKeys: SecretKeys
  sessionMs: number
  leaseMs: number
  heartbeatMs: number
  retentionSweepMs: number
  upgradeGraceMs: number
  /** null: for ever. */
  auditDays: number | null
  trustProxy: number
  trustedProxies: BlockList
  metricsToken: string | undefined
  staticDir: string | undefined
  logLevel: z.infer<typeof Environment>['JOBTRAIL_LOG_LEVEL']
}>

/** Injection token of {@link Config}. */
export const CONFIG = Symbol('config')

/** A variable has a wrong value: the message has a line for each, with what would be right. */
export class ConfigError extends Error {
  override name = 'ConfigError'
}

/** Throws {@link ConfigError} naming each wrong variable. An empty variable counts as absent. */
export function parseConfig(environment: Record<string, string | undefined>): Config {
  const given = Object.fromEntries(Object.entries(environment).filter(([, value]) => value !== undefined && value !== ''))
  const parsed = Environment.safeParse(given)
  if (!parsed.success) {
    const lines = parsed.error.issues.map((issue) => `${issue.path.join('.')}: ${issue.message}`)
    throw new ConfigError(lines.join('\n'))
  }
  const env = parsed.data
  return Object.freeze({
    host: env.JOBTRAIL_HOST,
    port: env.JOBTRAIL_PORT,
    mongodbUri: env.MONGODB_URI,
    redis: env.REDIS_URL,
    keyPrefix: env.JOBTRAIL_KEY_PREFIX,
    serverId: env.JOBTRAIL_SERVER_ID ?? `${hostname()}-${process.pid}`,
    adminPassword: env.JOBTRAIL_ADMIN_PASSWORD,
    jwtSecret: env.JOBTRAIL_JWT_SECRET,
    secretKeys: parseSecretKeys(env.JOBTRAIL_SECRET_KEYS ?? '') ?? [],
    sessionMs: env.JOBTRAIL_SESSION_MS,
    leaseMs: env.JOBTRAIL_LEASE_MS,
    heartbeatMs: Math.max(500, Math.floor(env.JOBTRAIL_LEASE_MS / 6)),
    retentionSweepMs: env.JOBTRAIL_RETENTION_SWEEP_MS,
    upgradeGraceMs: env.JOBTRAIL_UPGRADE_GRACE_MS,
    auditDays: env.JOBTRAIL_AUDIT_DAYS === 0 ? null : env.JOBTRAIL_AUDIT_DAYS,
    trustProxy: env.JOBTRAIL_TRUST_PROXY,
    trustedProxies: parseAddresses(env.JOBTRAIL_TRUSTED_PROXIES) ?? new BlockList(),
    metricsToken: env.JOBTRAIL_METRICS_TOKEN,
    staticDir: env.JOBTRAIL_STATIC_DIR,
    logLevel: env.JOBTRAIL_LOG_LEVEL,
  })
}
