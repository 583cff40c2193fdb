import { randomUUID } from 'node:crypto'
import { Logger } from '../logging.js'
import { Metrics } from '../metrics.js'
import { addressOf, pathOf, type Reply, type Request } from './requests.js'

const HEADER = 'X-Request-Id'
const ACCEPTED = /^[A-Za-z0-9._-]{1,100}$/
const requestIds = new WeakMap<object, string>()

/** ID of a request, which its answer, its log lines and its audit records carry; null for what did not come through {@link requestContext}. */
export function requestIdOf(request: object): string | null {
  return requestIds.get(request) ?? null
}

/** Gives each request an ID (the caller's, where it is a harmless one), a line in the access log and a place in the metrics. */
export function requestContext(logger: Logger, metrics: Metrics): (request: Request, reply: Reply) => void {
  return (request, { raw: response }) => {
    const startedAt = performance.now()
    const given = request.headers['x-request-id']
    const requestId = typeof given === 'string' && ACCEPTED.test(given) ? given : randomUUID()
    requestIds.set(request, requestId)
    response.setHeader(HEADER, requestId)
    // Read now: a connection that was cut has no address.
    const ip = addressOf(request) ?? undefined
    response.once('close', () => {
      const durationMs = performance.now() - startedAt
      const { method } = request
      const isStream = String(response.getHeader('Content-Type')).startsWith('text/event-stream')
      if (!isStream) metrics.httpRequests.observe({ method, status: String(response.statusCode) }, durationMs / 1_000)
      const fields = {
        requestId,
        method,
        // The query stays out of the log, for it may hold what is nobody's business.
        path: pathOf(request),
        status: response.statusCode,
        durationMs: Math.round(durationMs * 10) / 10,
        ip,
        aborted: response.writableFinished ? undefined : true,
      }
      // Answers that went well are many, and changes are in the audit log.
      if (response.statusCode < 400) logger.debug('Request', fields)
      else logger.info('Request', fields)
    })
  }
}
