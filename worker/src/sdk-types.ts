import type { WorkerFailure } from './errors.js'

// What a program that uses the SDK is compiled against. It imports nothing of other packages: the package of the worker brings none.

/** Writes lines to the attempt's log: debug and info as stdout, warn and error as stderr; arguments as `console.log` takes them. */
export interface HandlerLog {
  debug(...args: unknown[]): void
  info(...args: unknown[]): void
  warn(...args: unknown[]): void
  error(...args: unknown[]): void
}

/** What a handler is called with. */
export interface HandlerContext {
  readonly instanceId: string
  readonly task: number
  /** From 1; a retry has the next number. */
  readonly attempt: number
  readonly jobName: string
  /** ISO 8601; null for a run that was asked for. */
  readonly scheduledFor: string | null
  /** As JavaScript values: numbers are doubles (12345678901234567890 is rounded, 1e400 is Infinity), and of a key twice the last counts. Give such numbers as text. */
  readonly params: Readonly<Record<string, unknown>>
  /** The job's secrets by name. Their values are masked in log, result, error and progress. */
  readonly secrets: Readonly<Record<string, string>>
  readonly log: HandlerLog
  /** Aborted on cancel, time-out, a stopping worker and a lost lease. A handler has to heed it: a function cannot be killed. */
  readonly signal: AbortSignal
  /** `percent` from 0 to 100, or null when unknown. */
  progress(percent: number | null, message?: string): void
}

/** A job's function. What it returns (JSON, at most 64 KiB) is the result; what it throws fails the attempt. */
export type Handler = (context: HandlerContext) => unknown

/** A handler by the module that exports it: each of its attempts runs in a process of its own, which can be killed. */
export type HandlerModule = { readonly module: string | URL }

/** Writes one entry of the worker's own log. */
type WriteEntry = {
  (fields: object, message?: string): void
  (message: string): void
}

/** Where the worker's own log goes; a logger of pino is one. */
export interface WorkerLogger {
  debug: WriteEntry
  info: WriteEntry
  warn: WriteEntry
  error: WriteEntry
  fatal: WriteEntry
}

/** What a worker can be told; the command line has an option for each. */
export interface WorkerSettings {
  /** The load balancer in front of the servers; several as an array, or with commas between. */
  server: string | string[]
  /** A worker token of the namespace; or `tokenFile`. */
  token?: string
  /** A file that holds the worker token, instead of the token itself. */
  tokenFile?: string
  /** The group that jobs are routed to; `default` when left out. */
  group?: string | undefined
  /** Tags that jobs may require. */
  tags?: string | string[] | undefined
  /** Attempts at once; the number of cores when left out. */
  slots?: number | string | undefined
  /** A folder for what is not yet acknowledged, one a worker; `./.jobtrail-spool` when left out. */
  spoolDir?: string | undefined
  /** Bound of the log spool on disk; 1 GiB when left out. */
  spoolLimitBytes?: number | string | undefined
  /** The name to show; the host's when left out. */
  name?: string | undefined
  /** How long running attempts may go on at a stop; a minute when left out. */
  drainTimeoutMs?: number | string | undefined
  /** A worker that every server refuses for so long fails; five minutes when left out. */
  refusedExitMs?: number | string | undefined
  /** Name or ID of the user that shell jobs run as; needs a worker that runs as root. */
  runAsUser?: string | undefined
  /** What of the worker's own log is written, unless `logger` is given; `info` when left out. */
  logLevel?: 'trace' | 'debug' | 'info' | 'warn' | 'error' | 'fatal' | undefined
}

/**
 * The settings, and a logger to use instead of the worker's own. `onFailure`: the worker cannot go on (every server refuses it, its spool folder was
 * taken over); what it ran is killed, and a folder that was taken over is not touched any more. Without it that is only logged: it takes no more work.
 */
export type WorkerOptions = WorkerSettings & { logger?: WorkerLogger; onFailure?: (failure: WorkerFailure) => void }

/** A worker inside your own process: register handlers, then start it. Shell jobs of its group run on it as well. */
export interface JobtrailWorker {
  /**
   * Registers the function that runs jobs whose processor is `{kind: 'handler', handler: name}`. All of them before {@link start}. A function runs in this process and
   * cannot be killed; of a `module` that exports a function of that name each attempt runs in a process of its own, which can.
   */
  handle(name: string, handler: Handler | HandlerModule): this
  /** Takes the spool folder and begins to connect; resolves before the first connection stands, and keeps trying for good. */
  start(): Promise<void>
  /** Takes no new work, waits for what runs (at most `drainTimeoutMs`), delivers ends and logs, disconnects. */
  stop(): Promise<void>
  /** Ends at once: what runs is killed and given to another worker when its lease is over. */
  kill(): Promise<void>
}
