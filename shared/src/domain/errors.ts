/** Error codes: the `code` member of problem details on the API and of refusals on the worker protocol. */
export const ERROR_CODES = {
  VALIDATION_FAILED: 400,
  BAD_CURSOR: 400,
  UNAUTHENTICATED: 401,
  INVALID_CREDENTIALS: 401,
  FORBIDDEN: 403,
  NOT_FOUND: 404,
  CONFLICT: 409,
  STALE_REVISION: 409,
  NAME_TAKEN: 409,
  NOT_ALLOWED_IN_STATE: 409,
  /** On the worker protocol only, as is BUSY. */
  HELLO_FIRST: 409,
  LOG_EXPIRED: 410,
  PAYLOAD_TOO_LARGE: 413,
  RANGE_NOT_SATISFIABLE: 416,
  TOO_BROAD: 422,
  TOO_MANY_ATTEMPTS: 429,
  TOO_MANY_REQUESTS: 429,
  BUSY: 429,
  INTERNAL: 500,
  UNAVAILABLE: 503,
} as const
export type ErrorCode = keyof typeof ERROR_CODES

/** A field at fault: a JSON path such as `trigger.expression`, and what would be right. */
export type FieldError = { path: string; message: string }

/** The one base of every error that we raise on purpose; the HTTP filter and the socket helper turn it into an answer. */
export class AppError extends Error {
  constructor(
    readonly code: ErrorCode,
    message: string,
    readonly details: { fields?: FieldError[]; current?: unknown; retryAfterMs?: number; cause?: unknown } = {},
  ) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause })
    this.name = new.target.name
  }
}

export class NotFoundError extends AppError {
  constructor(what: string, id: string) {
    super('NOT_FOUND', `No ${what} ${id}`)
  }
}

export class ForbiddenError extends AppError {
  constructor(message: string) {
    super('FORBIDDEN', message)
  }
}

/** Bad input found behind the schema, with the field that is wrong. */
export class ValidationError extends AppError {
  constructor(path: string, message: string) {
    super('VALIDATION_FAILED', `${path}: ${message}`, { fields: [{ path, message }] })
  }
}
