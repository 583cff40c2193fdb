type Node = { host: string; port: number }

/** Where Redis is: one address, a primary that Sentinels know by name, or a Redis Cluster of which these nodes are known. */
export type RedisAddress = Readonly<
  { username: string | undefined; password: string | undefined; isTls: boolean } & (
    | { kind: 'single'; host: string; port: number; db: number }
    | { kind: 'sentinel'; sentinels: Node[]; name: string; db: number }
    | { kind: 'cluster'; nodes: Node[] }
  )
>

const FORM = /^(redis|rediss)(-sentinel|-cluster)?:\/\/(?:([^@/]*)@)?([^/?#@]+)(?:\/([^?#]*))?$/
const DEFAULT_PORT = { single: 6_379, sentinel: 26_379, cluster: 6_379 }
/** What is right, for who wrote something else. */
export const REDIS_ADDRESS_FORM =
  'must be redis://host:port/db, redis-sentinel://host:port,host:port/name/db or redis-cluster://host:port,host:port, with user:password@ where needed (rediss… for TLS)'

/** Undefined when it has another form than {@link REDIS_ADDRESS_FORM}. User and password are percent-encoded; the default port may be left out. */
export function parseRedisAddress(text: string): RedisAddress | undefined {
  const [, scheme, suffix = '', user = '', list = '', path = ''] = FORM.exec(text) ?? []
  if (scheme === undefined) return undefined
  const kind = suffix === '' ? 'single' : suffix === '-sentinel' ? 'sentinel' : 'cluster'
  const nodes = list.split(',').map((node) => parseNode(node, DEFAULT_PORT[kind]))
  const login = parseLogin(user)
  const known = nodes.filter((node) => node !== undefined)
  const [first] = known
  if (first === undefined || known.length < nodes.length || login === undefined) return undefined
  const common = { ...login, isTls: scheme === 'rediss' }
  if (kind === 'cluster') return path === '' ? { ...common, kind, nodes: known } : undefined
  const [name = '', dbText = '', ...more] = kind === 'sentinel' ? path.split('/') : ['', path]
  const db = dbText === '' ? 0 : Number(dbText)
  if (!Number.isInteger(db) || db < 0 || more.length > 0) return undefined
  if (kind === 'single') return known.length === 1 ? { ...common, kind, ...first, db } : undefined
  return name === '' ? undefined : { ...common, kind, sentinels: known, name, db }
}

function parseNode(text: string, defaultPort: number): Node | undefined {
  const [, v6, name, port] = /^(?:\[([0-9a-fA-F:.]+)\]|([^:[\]]+))(?::(\d{1,5}))?$/.exec(text) ?? []
  const host = v6 ?? name
  const number = port === undefined ? defaultPort : Number(port)
  return host === undefined || number < 1 || number > 65_535 ? undefined : { host, port: number }
}

function parseLogin(text: string): { username: string | undefined; password: string | undefined } | undefined {
  if (text === '') return { username: undefined, password: undefined }
  const at = text.indexOf(':')
  try {
    const [username, password] = (at < 0 ? [text, ''] : [text.slice(0, at), text.slice(at + 1)]).map((part) => decodeURIComponent(part) || undefined)
    return { username, password }
  } catch {
    return undefined // a percent sign that encodes nothing
  }
}
