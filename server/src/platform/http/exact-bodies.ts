import { isUtf8 } from 'node:buffer'
import type { RawBodyRequest } from '@nestjs/common'
import type { NextFunction, Request, Response } from 'express'
import { USER_MEMBERS } from '@jobtrail/api/jobs'
import { AppError } from '@jobtrail/protocol/domain/errors'
import { parseExact, stringifyExact } from '@jobtrail/api/exact-json'

/** Behind the body parser: JSON of users within the body is read again from its text, where the parsed value would not be exact. */
export function exactBodies(request: RawBodyRequest<Request>, _response: Response, next: NextFunction): void {
  const bytes = request.rawBody
  delete request.rawBody
  if (bytes === undefined || bytes.length === 0) return next()
  if (!isUtf8(bytes)) return next(new AppError('VALIDATION_FAILED', 'The body must be JSON in UTF-8'))
  const holdsUserJson = USER_MEMBERS.some(([member]) => member !== undefined && Object.hasOwn(request.body as object, member))
  if (holdsUserJson) request.body = parseExact(bytes.toString(), USER_MEMBERS)
  next()
}

/** Answers may hold JSON of users, which is not to be parsed and written again. */
export function exactAnswers(_request: Request, response: Response, next: NextFunction): void {
  response.json = (body: unknown) => response.type('application/json').send(stringifyExact(body))
  next()
}
