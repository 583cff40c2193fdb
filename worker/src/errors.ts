import { format } from 'node:util'

/** What the worker raises on purpose. Of its own, so that the SDK's types need no other package: no API answers with these. */
class WorkerError extends Error {
  constructor(message: string, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause })
    this.name = new.target.name
  }
}

/** A setting that is wrong or missing: the message names it and says what would be right. The process ends with status 2. */
export class ConfigError extends WorkerError {}

/** No server can be asked now; what was to be sent has to be sent again after the next `hello`. */
export class NotConnectedError extends WorkerError {
  constructor(why: string, cause?: unknown) {
    super(`Not connected to a server: ${why}`, cause)
  }
}

/** The server did not answer in time, or answered something that is not in the catalog: whether it acted is unknown. */
export class NoAnswerError extends WorkerError {
  constructor(event: string, why: string, cause?: unknown) {
    super(`No usable answer to ${event}: ${why}`, cause)
  }
}

/** The server answered `{ok: false}`: it did not act. */
export class RefusedError extends WorkerError {
  constructor(
    readonly event: string,
    readonly refusalCode: string,
    message: string,
  ) {
    super(`The server refused ${event}: ${refusalCode} ${message}`)
  }
}

/** The worker cannot go on. `exitStatus`: what a program that is only a worker ends with. */
export class WorkerFailure extends WorkerError {
  constructor(
    message: string,
    readonly exitStatus: number,
    cause?: unknown,
  ) {
    super(message, cause)
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
