import { format } from 'node:util'
import { AppError } from '@jobtrail/protocol/domain/errors'

/** A setting that is wrong or missing: the message names it and says what would be right. The process ends with status 2. */
export class ConfigError extends AppError {
  constructor(message: string, cause?: unknown) {
    super('VALIDATION_FAILED', message, { cause })
  }
}

/** No server can be asked now; what was to be sent has to be sent again after the next `hello`. */
export class NotConnectedError extends AppError {
  constructor(why: string, cause?: unknown) {
    super('UNAVAILABLE', `Not connected to a server: ${why}`, { cause })
  }
}

/** The server did not answer in time, or answered something that is not in the catalog: whether it acted is unknown. */
export class NoAnswerError extends AppError {
  constructor(event: string, why: string, cause?: unknown) {
    super('UNAVAILABLE', `No usable answer to ${event}: ${why}`, { cause })
  }
}

/** The server answered `{ok: false}`: it did not act. */
export class RefusedError extends AppError {
  constructor(
    readonly event: string,
    readonly refusalCode: string,
    message: string,
  ) {
    super('CONFLICT', `The server refused ${event}: ${refusalCode} ${message}`)
  }
}

/** The worker cannot go on. `exitStatus`: what a program that is only a worker ends with. */
export class WorkerFailure extends AppError {
  constructor(
    message: string,
    readonly exitStatus: number,
    cause?: unknown,
  ) {
    super('UNAVAILABLE', message, { cause })
  }
}

/** The text of an error for people: its message and those of its causes. */
export function describeError(error: unknown): string {
  const parts: string[] = []
  let at: unknown = error
  for (let depth = 0; at !== undefined && at !== null && depth < 5; depth++) {
    parts.push(at instanceof Error ? at.message || at.name : format(at))
    at = at instanceof Error ? at.cause : undefined
  }
  return parts.join(': ')
}

/** The `code` of a Node system error such as ENOENT; undefined for anything else. */
export function systemCode(error: unknown): string | undefined {
  if (!(error instanceof Error) || !('code' in error)) return undefined
  return typeof error.code === 'string' ? error.code : undefined
}
