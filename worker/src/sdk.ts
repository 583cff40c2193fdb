import { parseConfig } from './config.js'
import { LocalWorker } from './local-worker.js'
import { makeLogger } from './logging.js'
import type { JobtrailWorker, WorkerOptions } from './sdk-types.js'

export type { Handler, HandlerContext, HandlerLog, HandlerModule, JobtrailWorker, WorkerLogger, WorkerOptions } from './sdk-types.js'
export { ConfigError, WorkerFailure } from './errors.js'

/** Makes a worker. Throws ConfigError, naming the setting, when one is wrong or missing. */
export function createWorker(options: WorkerOptions): JobtrailWorker {
  const { logger, onFailure, ...settings } = options
  const config = parseConfig(settings)
  return new LocalWorker(config, logger ?? makeLogger(config.logLevel, config.name), onFailure)
}
