import { randomUUID } from 'node:crypto'
import type { NextFunction, Request, RequestHandler, Response } from 'express'
import { Logger, withLogContext } from '../logging.js'
import { Metrics } from '../metrics.js'

const HEADER = 'X-Request-Id'
const ACCEPTED = /^[A-Za-z0-9._-]{1,100}$/
const requestIds = new WeakMap<object, string>()

/** ID of a request, which its answer, its log lines and its audit records carry; null for what did not come through {@link requestContext}. */
export function requestIdOf(request: object): string | null {
  return requestIds.get(request) ?? null
}

/** Gives each request an ID (the caller's, where it is a harmless one), a log context, a line in the access log and a place in the metrics. */
export function requestContext(logger: Logger, metrics: Metrics): RequestHandler {
  return (request: Request, response: Response, next: NextFunction) => {
    const startedAt = performance.now()
    const given = request.get(HEADER)
    const requestId = given !== undefined && ACCEPTED.test(given) ? given : randomUUID()
    requestIds.set(request, requestId)
    response.setHeader(HEADER, requestId)
    // Read now: routers change the path, and a connection that was cut has no address. The query stays out of the log, for it may hold what is nobody's business.
    const { method, path, ip } = request
    response.once('close', () => {
      const durationMs = performance.now() - startedAt
      const isStream = String(response.getHeader('Content-Type')).startsWith('text/event-stream')
      if (!isStream) metrics.httpRequests.observe({ method, status: String(response.statusCode) }, durationMs / 1_000)
      const fields = {
        requestId,
        method,
        path,
        status: response.statusCode,
        durationMs: Math.round(durationMs * 10) / 10,
        ip,
        aborted: response.writableFinished ? undefined : true,
      }
      // Answers that went well are many, and changes are in the audit log.
      if (response.statusCode < 400) logger.debug('Request', fields)
      else logger.info('Request', fields)
    })
    withLogContext({ requestId }, next)
  }
}
