import type { Socket } from 'node:net'
import type { NestExpressApplication } from '@nestjs/platform-express'
import type { NextFunction, Request, RequestHandler, Response } from 'express'
import { AppError } from '@jobtrail/protocol/domain/errors'
import { CONFIG, type Config } from '../../config/config.js'
import { hasAddress } from '../../config/addresses.js'
import { Logger } from '../logging.js'
import { Metrics } from '../metrics.js'
import { Shutdown } from '../shutdown.js'
import { exactAnswers, exactBodies } from './exact-bodies.js'
import { setupOpenApi } from './openapi.js'
import { ProblemFilter } from './problem.filter.js'
import { requestContext } from './request-context.js'
import { staticFiles } from './static-files.js'
import { RequestValidationPipe } from './validation.js'

/** To be given to `NestFactory.create`: {@link configureHttp} brings its own body parser, which keeps the bytes. */
export const HTTP_OPTIONS = { bodyParser: false, rawBody: true } as const

const BODY_LIMIT = '1mb'
/** A client has so long for its first request, and for the headers of each: nobody holds connections by doing nothing, or little. */
const HEADERS_MS = 20_000

/** All that every route has in common. Called once, before the application is initialised; controllers name their full path (`api/…`). */
export function configureHttp(app: NestExpressApplication): void {
  const config = app.get<Config>(CONFIG)
  const logger = app.get(Logger)
  // The nearest so many, as long as each is a proxy that we know: whoever reaches this port past them is believed nothing.
  app.set('trust proxy', (address: string | undefined, hop: number) => hop < config.trustProxy && hasAddress(config.trustedProxies, address))
  // No answer is ever "not modified": a log may have grown.
  app.set('etag', false)
  app.disable('x-powered-by')
  const server = app.getHttpServer()
  // Longer than load balancers keep idle connections (nginx: 60 s), so that they end them, not we under a request.
  server.keepAliveTimeout = 75_000
  server.headersTimeout = HEADERS_MS
  server.requestTimeout = 60_000
  // headersTimeout begins with the first byte.
  server.on('connection', (socket: Socket) => socket.setTimeout(HEADERS_MS))

  app.use(endFirstWait)
  app.use(requestContext(logger, app.get(Metrics)))
  app.use(commonHeaders)
  app.use(endConnections(app.get(Shutdown)))
  app.use('/api', noStore)
  app.use('/api', exactAnswers)
  app.use('/api', requireJson)
  app.useBodyParser('json', { limit: BODY_LIMIT })
  app.use('/api', exactBodies)
  app.useGlobalPipes(new RequestValidationPipe())
  app.useGlobalFilters(new ProblemFilter(logger))
  setupOpenApi(app)
  if (config.staticDir !== undefined) app.use(...staticFiles(config.staticDir, logger))
}

/** Its first request has come: from now on Node watches the connection. */
function endFirstWait(request: Request, _response: Response, next: NextFunction): void {
  request.socket.setTimeout(0)
  next()
}

function commonHeaders(_request: Request, response: Response, next: NextFunction): void {
  response.setHeader('X-Content-Type-Options', 'nosniff')
  response.setHeader('X-Frame-Options', 'DENY')
  response.setHeader('Referrer-Policy', 'no-referrer')
  next()
}

/** A server that leaves wants its connections to be given up, not used again. */
function endConnections(shutdown: Shutdown): RequestHandler {
  return (_request, response, next) => {
    if (shutdown.isDraining) response.setHeader('Connection', 'close')
    next()
  }
}

/** Nothing of the API is kept by anyone on the way: not a page, not an empty result. */
function noStore(_request: Request, response: Response, next: NextFunction): void {
  response.setHeader('Cache-Control', 'no-store')
  next()
}

/** A body of another type would look like no body at all to the schemas behind. */
function requireJson(request: Request, _response: Response, next: NextFunction): void {
  const hasBody = request.headers['transfer-encoding'] !== undefined || Number(request.headers['content-length'] ?? 0) > 0
  const isJson = hasBody && request.is('application/json') !== false
  next(hasBody && !isJson ? new AppError('VALIDATION_FAILED', 'The body must be JSON, with Content-Type: application/json') : undefined)
}
