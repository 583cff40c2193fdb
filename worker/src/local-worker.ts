import { Agent } from './agent.js'
import type { WorkerConfig } from './config.js'
import { ConfigError, type WorkerFailure } from './errors.js'
import type { Handler, HandlerModule, JobtrailWorker, WorkerLogger } from './sdk-types.js'

/** The worker in this process, of the command line or of a program with the SDK. */
export class LocalWorker implements JobtrailWorker {
  private readonly handlers = new Map<string, Handler | HandlerModule>()
  private agent: Promise<Agent> | undefined

  constructor(
    private readonly config: WorkerConfig,
    private readonly log: WorkerLogger,
    private readonly onFailure: (failure: WorkerFailure) => void = () => undefined,
  ) {}

  handle(name: string, handler: Handler | HandlerModule): this {
    if (this.agent !== undefined) throw new ConfigError('Handlers are registered before the worker is started')
    if (name === '' || name.length > 200) throw new ConfigError(`A handler's name has 1 to 200 characters; this one has ${name.length}`)
    if (this.handlers.has(name)) throw new ConfigError(`There are two handlers named "${name}"`)
    this.handlers.set(name, handler)
    return this
  }

  async start(): Promise<void> {
    this.agent ??= Agent.open(this.config, this.handlers, this.log, this.onFailure)
    const agent = await this.agent
    agent.start()
  }

  async stop(): Promise<void> {
    const agent = await this.agent
    await agent?.stop()
  }

  async kill(): Promise<void> {
    const agent = await this.agent
    await agent?.close()
  }
}
