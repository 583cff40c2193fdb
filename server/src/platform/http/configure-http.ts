import type { Socket } from 'node:net'
import { FastifyAdapter, type NestFastifyApplication } from '@nestjs/platform-fastify'
import { AppError } from '@jobtrail/protocol/domain/errors'
import { stringifyExact } from '@jobtrail/api/exact-json'
import { hasAddress } from '../../config/addresses.js'
import type { Config } from '../../config/config.js'
import { Logger, withLogContext } from '../logging.js'
import { Metrics } from '../metrics.js'
import { Shutdown } from '../shutdown.js'
import { answerClientError } from './client-errors.js'
import { isJsonType, parseBody } from './exact-bodies.js'
import { inflated } from './inflate.js'
import { setupOpenApi } from './openapi.js'
import { ProblemFilter } from './problem.filter.js'
import { requestContext, requestIdOf } from './request-context.js'
import { pathOf, type Reply, type Request } from './requests.js'
import { staticFiles } from './static-files.js'
import { RequestValidationPipe } from './validation.js'

const BODY_LIMIT_BYTES = 1_048_576
/** Longer than any path can be, so that no ID is too long for the router: what an ID may be is for its schema to say. */
const MAX_PARAM_LENGTH = 65_536
/** A client has so long for its first request, and for the headers of each: nobody holds connections by doing nothing, or little. */
const HEADERS_MS = 20_000
const API = /^\/api(\/|$)/i

type Http = {
  /** To be given to `NestFactory.create`, without a body parser of its own. */
  adapter: FastifyAdapter
  /** All that every route has in common. Called once, before the application is initialised; controllers name their full path (`api/…`). */
  configure: (app: NestFastifyApplication) => void
}

export function createHttp(config: Config, logger: Logger): Http {
  const problems = new ProblemFilter(logger)
  let begin: (request: Request, reply: Reply) => void = () => undefined
  const adapter = new FastifyAdapter({
    // The nearest so many, as long as each is a proxy that we know: whoever reaches this port past them is believed nothing.
    trustProxy: (address, hop) => hop < config.trustProxy && hasAddress(config.trustedProxies, address),
    bodyLimit: BODY_LIMIT_BYTES,
    // Longer than load balancers keep idle connections (nginx: 60 s), so that they end them, not we under a request.
    keepAliveTimeout: 75_000,
    requestTimeout: 60_000,
    http: { headersTimeout: HEADERS_MS },
    routerOptions: { caseSensitive: false, ignoreTrailingSlash: true, maxParamLength: MAX_PARAM_LENGTH },
    // No feature has middleware, so what would run it for every call is left out.
    skipMiddie: true,
    clientErrorHandler: answerClientError,
    // A path that cannot be decoded gets past the hooks below.
    frameworkErrors: (error: Error, request: Request, reply: Reply) => {
      begin(request, reply)
      problems.answer(new AppError('VALIDATION_FAILED', error.message, { cause: error }), request, reply)
    },
  })
  const configure = (app: NestFastifyApplication): void => {
    begin = beginRequest(logger, app.get(Metrics), app.get(Shutdown))
    // headersTimeout begins with the first byte.
    app.getHttpServer().on('connection', (socket: Socket) => socket.setTimeout(HEADERS_MS))
    const server = adapter.getInstance()
    server.addHook('onRequest', (request, reply, done) => {
      begin(request, reply)
      done(refusal(request))
    })
    server.addHook('preParsing', (request, _reply, payload, done) => done(null, inflated(payload, request.headers)))
    // Only from here on, for reading the body leaves the context of whoever began to.
    server.addHook('preValidation', (request, _reply, done) => withLogContext({ requestId: requestIdOf(request) ?? '' }, done))
    server.removeAllContentTypeParsers()
    server.addContentTypeParser('*', { parseAs: 'buffer' }, (request, body: Buffer, done) => done(null, parseBody(body, request.headers['content-type'])))
    // Answers may hold JSON of users, which is not to be parsed and written again.
    server.setReplySerializer((body) => stringifyExact(body))
    app.useGlobalPipes(new RequestValidationPipe())
    app.useGlobalFilters(problems)
    setupOpenApi(app)
    if (config.staticDir !== undefined) staticFiles(server, config.staticDir, logger)
  }
  return { adapter, configure }
}

/** What each answer has, also the one to a request that no route takes. The headers are those of the answer below the framework's, so that streamed answers have them too. */
function beginRequest(logger: Logger, metrics: Metrics, shutdown: Shutdown): (request: Request, reply: Reply) => void {
  const giveContext = requestContext(logger, metrics)
  return (request, reply) => {
    const response = reply.raw
    // Its first request has come: from now on Node watches the connection.
    request.raw.socket.setTimeout(0)
    giveContext(request, reply)
    response.setHeader('X-Content-Type-Options', 'nosniff')
    response.setHeader('X-Frame-Options', 'DENY')
    response.setHeader('Referrer-Policy', 'no-referrer')
    // A server that leaves wants its connections to be given up, not used again.
    if (shutdown.isDraining) response.setHeader('Connection', 'close')
    // Nothing of the API is kept by anyone on the way: not a page, not an empty result.
    if (isApi(request)) response.setHeader('Cache-Control', 'no-store')
  }
}

/** A body of another type would look like no body at all to the schemas behind. */
function refusal(request: Request): AppError | undefined {
  const { headers } = request
  const hasBody = headers['transfer-encoding'] !== undefined || Number(headers['content-length'] ?? 0) > 0
  if (!hasBody || isJsonType(headers['content-type']) || !isApi(request)) return undefined
  return new AppError('VALIDATION_FAILED', 'The body must be JSON, with Content-Type: application/json')
}

/** The route counts too: the router decodes paths. */
const isApi = (request: Request): boolean => API.test(pathOf(request)) || API.test(request.routeOptions.url ?? '')
