import { STATUS_CODES } from 'node:http'
import { type ArgumentsHost, Catch, type ExceptionFilter, HttpException } from '@nestjs/common'
import type { Request, Response } from 'express'
import type { Problem } from '@jobtrail/api/common'
import { AppError, ERROR_CODES, type ErrorCode } from '@jobtrail/protocol/domain/errors'
import { stringifyExact } from '@jobtrail/api/exact-json'
import { Logger } from '../logging.js'
import { SparseLog } from '../sparse-log.js'
import { requestIdOf } from './request-context.js'
import { isTooSlow, isUnavailable } from './unavailable.js'

const UNAVAILABLE_RETRY_MS = 1_000

/** What an error becomes on the API: its status may be one that has no code of its own (415, say). */
type Answer = { status: number; error: AppError }

/** Turns every error into problem details (RFC 9457). What is not ours to tell stays in the log, under the same request ID. */
@Catch()
export class ProblemFilter implements ExceptionFilter {
  private readonly shed = new SparseLog()

  constructor(private readonly logger: Logger) {}

  catch(thrown: unknown, host: ArgumentsHost): void {
    if (host.getType() !== 'http') throw thrown
    const http = host.switchToHttp()
    const request = http.getRequest<Request>()
    const response = http.getResponse<Response>()
    const { status, error } = answerTo(thrown, request)
    const requestId = requestIdOf(request)
    if (thrown instanceof AppError && thrown.code === 'UNAVAILABLE') this.noteShed(thrown, request)
    else if (status >= 500) this.logger.error('Request failed', { requestId, method: request.method, path: request.path, code: error.code, err: thrown })
    if (response.headersSent) {
      // Half an answer is out: ending it would make it look whole.
      response.destroy()
      return
    }
    const problem: Problem = {
      type: 'about:blank',
      title: STATUS_CODES[status] ?? 'Error',
      status,
      code: error.code,
      detail: error.message,
      instance: request.originalUrl.split('?', 1)[0] ?? '',
      ...(requestId === null ? {} : { requestId }),
      ...(error.details.fields === undefined ? {} : { errors: error.details.fields }),
      ...(error.details.current === undefined ? {} : { current: error.details.current }),
    }
    if (status === 401) response.setHeader('WWW-Authenticate', 'Bearer')
    if (error.details.retryAfterMs !== undefined) response.setHeader('Retry-After', Math.max(1, Math.ceil(error.details.retryAfterMs / 1_000)))
    // What the handler had set for an answer that is not given now.
    for (const header of ['Content-Length', 'Content-Encoding', 'Content-Disposition']) response.removeHeader(header)
    if (status !== 416) response.removeHeader('Content-Range')
    response.setHeader('Cache-Control', 'no-store')
    response.status(status).type('application/problem+json').send(stringifyExact(problem))
  }

  /** Turning requests away is what a busy server is meant to do. */
  private noteShed({ message }: AppError, { method, path }: Request): void {
    this.shed.note((requests) => this.logger.warn('Turned requests away for now', { requests, method, path, reason: message }))
  }
}

/** Also for answers that are under way. */
export function answerTo(thrown: unknown, request: { method: string; path: string }): Answer {
  if (thrown instanceof AppError) return { status: ERROR_CODES[thrown.code], error: thrown }
  if (thrown instanceof HttpException) return fromHttpException(thrown, request)
  if (request.method === 'GET' && isTooSlow(thrown)) {
    const detail = 'Looking through what this asks for takes too long: narrow it, such as to a namespace, a job, a status or a shorter time'
    return { status: ERROR_CODES.TOO_BROAD, error: new AppError('TOO_BROAD', detail, { cause: thrown }) }
  }
  if (isUnavailable(thrown)) {
    const error = new AppError('UNAVAILABLE', 'A database that this needs does not answer now: try again', {
      retryAfterMs: UNAVAILABLE_RETRY_MS,
      cause: thrown,
    })
    return { status: 503, error }
  }
  return { status: 500, error: new AppError('INTERNAL', 'Something went wrong here; the log of the server has it under this request ID', { cause: thrown }) }
}

const CODE_OF_STATUS: Readonly<Record<number, ErrorCode>> = {
  401: 'UNAUTHENTICATED',
  403: 'FORBIDDEN',
  404: 'NOT_FOUND',
  409: 'CONFLICT',
  413: 'PAYLOAD_TOO_LARGE',
  416: 'RANGE_NOT_SATISFIABLE',
  429: 'TOO_MANY_ATTEMPTS',
  500: 'INTERNAL',
  503: 'UNAVAILABLE',
}

/** Errors of Nest itself and, through it, of Express and the body parser. */
function fromHttpException(exception: HttpException, request: { method: string; path: string }): Answer {
  const status = exception.getStatus()
  const code = CODE_OF_STATUS[status] ?? (status < 500 ? 'VALIDATION_FAILED' : 'INTERNAL')
  return { status, error: new AppError(code, detailOf(exception, status, request), { cause: exception }) }
}

function detailOf(exception: HttpException, status: number, request: { method: string; path: string }): string {
  if (status >= 500) return STATUS_CODES[status] ?? 'Error'
  if (exception.message.startsWith(`Cannot ${request.method} `)) return `There is no ${request.method} ${request.path} here`
  const type = parserErrorType(exception.cause)
  if (type === 'entity.parse.failed') return `The body is not valid JSON: ${exception.message}`
  if (type === 'entity.too.large') return 'The body is too large: at most 1 MiB is taken'
  return exception.message
}

/** body-parser says what went wrong in a member `type`. */
function parserErrorType(cause: unknown): string | undefined {
  return cause instanceof Error && 'type' in cause && typeof cause.type === 'string' ? cause.type : undefined
}
