import { type ArgumentsHost, BadRequestException, HttpException, NotFoundException } from '@nestjs/common'
import { MongoNetworkError, MongoServerError } from 'mongodb'
import { describe, expect, it } from 'vitest'
import { AppError, NotFoundError } from '@jobtrail/protocol/domain/errors'
import type { Logger } from '../logging.js'
import { answerTo, ProblemFilter } from './problem.filter.js'

const request = { method: 'GET', path: '/api/jobs' }
const outcome = (thrown: unknown): { status: number; code: string; detail: string } => {
  const { status, error } = answerTo(thrown, request)
  return { status, code: error.code, detail: error.message }
}

describe('errors on the API', () => {
  it('of our own have the status of their code', () => {
    expect(outcome(new NotFoundError('job', '1'))).toEqual({ status: 404, code: 'NOT_FOUND', detail: 'No job 1' })
    expect(outcome(new AppError('STALE_REVISION', 'stale'))).toMatchObject({ status: 409, code: 'STALE_REVISION' })
  })

  it('of unknown routes name the route', () => {
    expect(outcome(new NotFoundException('Cannot GET /api/jobs'))).toEqual({ status: 404, code: 'NOT_FOUND', detail: 'There is no GET /api/jobs here' })
  })

  it('of the body parser say what is wrong with the body', () => {
    const syntax = Object.assign(new SyntaxError('Unexpected end of JSON input'), { type: 'entity.parse.failed' })
    expect(outcome(new BadRequestException(syntax.message, { cause: syntax }))).toMatchObject({
      status: 400,
      code: 'VALIDATION_FAILED',
      detail: 'The body is not valid JSON: Unexpected end of JSON input',
    })
    const large = Object.assign(new Error('request entity too large'), { type: 'entity.too.large' })
    expect(outcome(new HttpException(large.message, 413, { cause: large }))).toMatchObject({ status: 413, code: 'PAYLOAD_TOO_LARGE' })
  })

  it('of a database that is away ask to try again', () => {
    const steppedDown = new MongoServerError({ message: 'not primary', code: 10_107 })
    for (const thrown of [new MongoNetworkError('connection closed'), steppedDown, new Error('wrapped', { cause: steppedDown })]) {
      const { status, error } = answerTo(thrown, request)
      expect(status).toBe(503)
      expect(error).toMatchObject({ code: 'UNAVAILABLE', details: { retryAfterMs: 1_000 } })
    }
  })

  it('of a read that took too long say to narrow it, also while the database answers', () => {
    const expired = new MongoServerError({ message: 'operation exceeded time limit', code: 50 })
    expect(outcome(expired)).toMatchObject({ status: 422, code: 'TOO_BROAD', detail: expect.stringContaining('narrow it') })
    expect(answerTo(expired, { method: 'POST', path: '/api/jobs' }).status).toBe(503)
  })

  it('of ours to hide tell nothing of what happened', () => {
    const hidden = [
      new Error('password is hunter2'),
      new MongoServerError({ message: 'hunter2', code: 121 }),
      new HttpException('hunter2', 500),
      'hunter2',
      undefined,
    ]
    for (const thrown of hidden) {
      const found = outcome(thrown)
      expect(found).toMatchObject({ status: 500, code: 'INTERNAL' })
      expect(found.detail).not.toContain('hunter2')
    }
  })
})

describe('the log', () => {
  /** What is logged when these are thrown, one request each. */
  const linesOf = (...thrown: unknown[]): unknown[] => {
    const lines: unknown[] = []
    const log = (level: string) => (_message: string, fields: object) => void lines.push({ level, ...fields })
    const filter = new ProblemFilter({ warn: log('warn'), error: log('error') } as unknown as Logger)
    const response: object = new Proxy({ headersSent: false }, { get: (target, member) => (member === 'headersSent' ? target.headersSent : () => response) })
    const http = { getRequest: () => ({ ...request, originalUrl: request.path }), getResponse: () => response }
    const host = { getType: () => 'http', switchToHttp: () => http } as unknown as ArgumentsHost
    for (const each of thrown) filter.catch(each, host)
    return lines
  }

  it('has one line, without a stack, for many requests that a busy server turned away', () => {
    const busy = Array.from({ length: 50 }, () => new AppError('UNAVAILABLE', 'This server has too many searches under way: try again'))
    expect(linesOf(...busy)).toEqual([{ level: 'warn', requests: 1, method: 'GET', path: '/api/jobs', reason: expect.stringContaining('too many searches') }])
  })

  it('has each failure whole, and nothing of what the caller did wrong', () => {
    const broken = new Error('broken')
    expect(linesOf(broken, broken, new NotFoundError('job', '1'))).toMatchObject([
      { level: 'error', err: broken },
      { level: 'error', err: broken },
    ])
  })
})
