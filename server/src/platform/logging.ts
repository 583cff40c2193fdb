import { AsyncLocalStorage } from 'node:async_hooks'
import { Injectable, type LoggerService } from '@nestjs/common'
import { pino, type Level, type Logger as Pino } from 'pino'

/** What each line logged inside carries: request, worker, instance. */
export type LogContext = { requestId?: string; workerId?: string; instanceId?: string }
const context = new AsyncLocalStorage<LogContext>()

/** Runs `work` so that everything it logs carries `fields` beside those already there. */
export function withLogContext<T>(fields: LogContext, work: () => T): T {
  return context.run({ ...context.getStore(), ...fields }, work)
}

/** Structured logs: one JSON object a line on stdout. Nest's own messages go through it too. */
@Injectable()
export class Logger implements LoggerService {
  private readonly pino: Pino

  constructor(level: Level, serverId: string) {
    this.pino = pino({
      level,
      base: { server: serverId },
      mixin: () => ({ ...context.getStore() }),
      timestamp: pino.stdTimeFunctions.isoTime,
      serializers: { err: pino.stdSerializers.errWithCause },
    })
  }

  /** `fields.err` takes an error. */
  info(message: string, fields: Record<string, unknown> = {}): void {
    this.pino.info(fields, message)
  }

  /** Nest's LoggerService calls it with a context string as the last parameter. */
  log(message: unknown, ...rest: unknown[]): void {
    this.pino.info(fromNest(rest), String(message))
  }

  warn(message: unknown, ...rest: unknown[]): void {
    this.pino.warn(fromNest(rest), String(message))
  }

  error(message: unknown, ...rest: unknown[]): void {
    this.pino.error(fromNest(rest), String(message))
  }

  debug(message: unknown, ...rest: unknown[]): void {
    this.pino.debug(fromNest(rest), String(message))
  }

  verbose(message: unknown, ...rest: unknown[]): void {
    this.pino.trace(fromNest(rest), String(message))
  }

  fatal(message: unknown, ...rest: unknown[]): void {
    this.pino.fatal(fromNest(rest), String(message))
  }
}

/** Our calls give one object of fields; Nest's give strings: a stack (errors) and a context. */
function fromNest(rest: unknown[]): Record<string, unknown> {
  const [first] = rest
  if (rest.length === 1 && typeof first === 'object' && first !== null) return first as Record<string, unknown>
  return rest.length === 0 ? {} : { nest: rest.map(String) }
}
