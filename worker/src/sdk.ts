import type { Logger } from 'pino'
import { Agent } from './agent.js'
import { parseConfig, type WorkerConfig, type WorkerConfigInput } from './config.js'
import { ConfigError, type WorkerFailure } from './errors.js'
import { makeLogger } from './logging.js'
import type { Handler } from './run/handler-call.js'
import type { HandlerModule } from './run/isolated-handler.js'

export type { Handler, HandlerContext, HandlerLog } from './run/handler-call.js'
export type { HandlerModule } from './run/isolated-handler.js'
export { ConfigError, WorkerFailure } from './errors.js'

/**
 * Settings as on the command line, and a logger to use instead of the worker's own. `onFailure`: the worker cannot go on (every server refuses it, its spool folder was
 * taken over); what it ran is killed, and a folder that was taken over is not touched any more. Without it that is only logged: it takes no more work.
 */
export type WorkerOptions = WorkerConfigInput & { logger?: Logger; onFailure?: (failure: WorkerFailure) => void }

/** A worker inside your own process: register handlers, then start it. Shell jobs of its group run on it as well. */
export class JobtrailWorker {
  private readonly handlers = new Map<string, Handler | HandlerModule>()
  private agent: Promise<Agent> | undefined

  constructor(
    private readonly config: WorkerConfig,
    private readonly log: Logger,
    private readonly onFailure: (failure: WorkerFailure) => void = () => undefined,
  ) {}

  /**
   * Registers the function that runs jobs whose processor is `{kind: 'handler', handler: name}`. All of them before {@link start}. A function runs in this process and
   * cannot be killed; of a `module` that exports a function of that name each attempt runs in a process of its own, which can.
   */
  handle(name: string, handler: Handler | HandlerModule): this {
    if (this.agent !== undefined) throw new ConfigError('Handlers are registered before the worker is started')
    if (name === '' || name.length > 200) throw new ConfigError(`A handler's name has 1 to 200 characters; this one has ${name.length}`)
    if (this.handlers.has(name)) throw new ConfigError(`There are two handlers named "${name}"`)
    this.handlers.set(name, handler)
    return this
  }

  /** Takes the spool folder and begins to connect; resolves before the first connection stands, and keeps trying for good. */
  async start(): Promise<void> {
    this.agent ??= Agent.open(this.config, this.handlers, this.log, this.onFailure)
    const agent = await this.agent
    agent.start()
  }

  /** Takes no new work, waits for what runs (at most `drainTimeoutMs`), delivers ends and logs, disconnects. */
  async stop(): Promise<void> {
    const agent = await this.agent
    await agent?.stop()
  }

  /** Ends at once: what runs is killed and given to another worker when its lease is over. */
  async kill(): Promise<void> {
    const agent = await this.agent
    await agent?.close()
  }
}

/** Makes a worker. Throws ConfigError, naming the setting, when one is wrong or missing. */
export function createWorker(options: WorkerOptions): JobtrailWorker {
  const { logger, onFailure, ...settings } = options
  const config = parseConfig(settings)
  return new JobtrailWorker(config, logger ?? makeLogger(config.logLevel, config.name), onFailure)
}
