import { existsSync } from 'node:fs'
import { join, resolve } from 'node:path'
import express, { type NextFunction, type Request, type RequestHandler, type Response } from 'express'
import { Logger } from '../logging.js'

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

export const compressibleType = (path: string): string | undefined => ASSET.exec(path)?.[1]

export const isFilePath = (path: string): boolean => !NOT_FILES.test(path)

/** Hashed files may be kept for ever; all others are asked for again each time, so that a new version of the server is seen at once. */
export const cacheControlOf = (file: string): string => (HASHED.test(file) ? 'public, max-age=31536000, immutable' : 'no-cache')

/** A browser that opens or reloads a page of the console: the page's script knows the path. Not so a script or an image that is missing. */
export function isPageRequest(method: string, path: string, accept: string | undefined): boolean {
  if (method !== 'GET' && method !== 'HEAD') return false
  return isFilePath(path) && !decoded(path).split(/[\\/]/).includes('..') && accept !== undefined && accept.includes('text/html')
}

/** Serves the files of a folder, and its index.html for the pages of the console. Express keeps paths inside the folder and ignores dot files. */
export function staticFiles(directory: string, logger: Logger): RequestHandler[] {
  const root = resolve(directory)
  if (!existsSync(join(root, 'index.html'))) logger.warn('JOBTRAIL_STATIC_DIR has no index.html: there is no console to serve', { directory: root })
  const serve = express.static(root, {
    dotfiles: 'ignore',
    redirect: false,
    cacheControl: false,
    setHeaders: (response: Response, file: string) => {
      response.setHeader('Cache-Control', cacheControlOf(file))
      if (file.endsWith('.html')) response.setHeader('Content-Security-Policy', CONTENT_SECURITY)
    },
  })
  const files: RequestHandler = (request, response, next) => (isFilePath(request.path) ? serve(request, response, next) : next())
  const compressed: RequestHandler = (request, response, next) => {
    const type = request.method === 'GET' || request.method === 'HEAD' ? compressibleType(request.path) : undefined
    if (type === undefined) return next()
    const accepted = request.acceptsEncodings()
    const encoding = ENCODINGS.find(({ name, suffix }) => accepted.includes(name) && existsSync(join(root, request.path + suffix)))
    response.vary('Accept-Encoding')
    if (encoding === undefined) return next()
    response.type(type)
    response.setHeader('Content-Encoding', encoding.name)
    const file = request.path + encoding.suffix
    response.sendFile(file, { root, cacheControl: false, headers: { 'Cache-Control': cacheControlOf(request.path) } }, (error: unknown) => {
      // A build may be replacing the files right now.
      if (error === undefined || error === null || response.headersSent) return
      response.removeHeader('Content-Encoding')
      next()
    })
  }
  const pages: RequestHandler = (request: Request, response: Response, next: NextFunction) => {
    if (!isPageRequest(request.method, request.path, request.get('Accept'))) return next()
    response.sendFile(
      'index.html',
      { root, cacheControl: false, headers: { 'Cache-Control': 'no-cache', 'Content-Security-Policy': CONTENT_SECURITY } },
      (error: unknown) => {
        if (error !== undefined && !response.headersSent) next()
      },
    )
  }
  return [compressed, files, pages]
}

function decoded(path: string): string {
  try {
    return decodeURIComponent(path)
  } catch {
    // Not a path at all; '..' makes it one that is refused.
    return '..'
  }
}
