import { existsSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { send } from '@fastify/send'
import type { FastifyInstance } from 'fastify'
import { Logger } from '../logging.js'
import { acceptedEncodings, pathOf, type Reply, type Request } from './requests.js'

/** Paths that are never files: an unknown one among them is a 404 with problem details, not a page. */
const NOT_FILES = /^\/(api|downloads|health|metrics|socket\.io)(\/|$)/i
/** A file whose name changes with its content, as vite makes them: `assets/index-BxY12_cD.js`. */
const HASHED = /[\\/]assets[\\/][^\\/]+-[A-Za-z0-9_-]{8,}\.[a-z0-9]+$/

/**
 * Of the console's page: scripts of ours only, so that text from a job, a name or a log can never run as one. Styles are also made at run time, by the component
 * library. (Of the page alone: what is loaded from it falls under it.)
 */
const CONTENT_SECURITY = [
  "default-src 'self'",
  "style-src 'self' 'unsafe-inline'",
  "img-src 'self' data:",
  "object-src 'none'",
  "base-uri 'self'",
  "form-action 'self'",
  "frame-ancestors 'none'",
].join('; ')

/** What the console's build writes beside each of its hashed files, the smallest first. */
const ENCODINGS = [
  { name: 'br', suffix: '.br' },
  { name: 'gzip', suffix: '.gz' },
] as const
/** One name in one folder: it cannot lead out of it. */
const ASSET = /^\/assets\/[A-Za-z0-9_-][A-Za-z0-9._-]*\.(js|css|svg)$/
const TYPES = { js: 'text/javascript; charset=utf-8', css: 'text/css; charset=utf-8', svg: 'image/svg+xml' } as const

export const compressibleType = (path: string): keyof typeof TYPES | undefined => ASSET.exec(path)?.[1] as keyof typeof TYPES | undefined

export const isFilePath = (path: string): boolean => !NOT_FILES.test(path)

/** Hashed files may be kept for ever; all others are asked for again each time, so that a new version of the server is seen at once. */
export const cacheControlOf = (file: string): string => (HASHED.test(file) ? 'public, max-age=31536000, immutable' : 'no-cache')

/** A browser that opens or reloads a page of the console: the page's script knows the path. Not so a script or an image that is missing. */
export function isPageRequest(method: string, path: string, accept: string | undefined): boolean {
  if (method !== 'GET' && method !== 'HEAD') return false
  return isFilePath(path) && !decoded(path).split(/[\\/]/).includes('..') && accept !== undefined && accept.includes('text/html')
}

/** Serves the files of a folder, and its index.html for the pages of the console: whatever no other route takes. */
export function staticFiles(server: FastifyInstance, directory: string, logger: Logger): void {
  const root = resolve(directory)
  if (!existsSync(join(root, 'index.html'))) logger.warn('JOBTRAIL_STATIC_DIR has no index.html: there is no console to serve', { directory: root })
  server.get('/*', async (request, reply) => {
    const path = pathOf(request)
    if (await sendCompressed(root, path, request, reply)) return reply
    if (isFilePath(path) && (await sendFile(root, path, request, reply))) return reply
    if (isPageRequest(request.method, path, request.headers.accept) && (await sendFile(root, '/index.html', request, reply))) return reply
    reply.callNotFound()
    return reply
  })
}

async function sendCompressed(root: string, path: string, request: Request, reply: Reply): Promise<boolean> {
  const type = compressibleType(path)
  if (type === undefined) return false
  reply.header('Vary', 'Accept-Encoding')
  const accepted = acceptedEncodings(
    request.headers['accept-encoding'],
    ENCODINGS.map(({ name }) => name),
  )
  for (const { name, suffix } of ENCODINGS) {
    if (!accepted.includes(name)) continue
    const headers = { 'Content-Type': TYPES[type], 'Content-Encoding': name, 'Cache-Control': cacheControlOf(path) }
    if (await sendFile(root, path + suffix, request, reply, headers)) return true
  }
  return false
}

/** False: there is no such file. Paths stay inside the folder, and files with a dot in front are none. */
async function sendFile(root: string, path: string, request: Request, reply: Reply, headers: Record<string, string> = {}): Promise<boolean> {
  const found = await send(request.raw, path, { root, dotfiles: 'ignore', cacheControl: false })
  if (found.type !== 'file') return false
  const file = found.metadata.path
  const security = file.endsWith('.html') ? { 'Content-Security-Policy': CONTENT_SECURITY } : {}
  reply
    .code(found.statusCode)
    .headers({ ...found.headers, 'Cache-Control': cacheControlOf(file), ...security, ...headers })
    .send(found.stream)
  return true
}

function decoded(path: string): string {
  try {
    return decodeURIComponent(path)
  } catch {
    // Not a path at all; '..' makes it one that is refused.
    return '..'
  }
}
