#!/usr/bin/env node
import 'reflect-metadata'
import type { Server as HttpServer } from 'node:http'
import { setTimeout as sleep } from 'node:timers/promises'
import { NestFactory } from '@nestjs/core'
import type { NestExpressApplication } from '@nestjs/platform-express'
import { scrubEnvironment, SERVER_ADDRESSES } from '@jobtrail/process/scrub-secrets'
import { AppModule } from './app.module.js'
import { type Config, ConfigError, parseConfig } from './config/config.js'
import { configureHttp, HTTP_OPTIONS } from './platform/http/configure-http.js'
import { runMigrations } from './platform/migrations.js'
import { Logger } from './platform/logging.js'
import { Mongo } from './platform/mongo.js'
import { Shutdown } from './platform/shutdown.js'
import { Sockets } from './platform/sockets.js'
import { VERSION } from './platform/version.js'

/** A server that has not left by then is ended: whatever hangs, the worker and MongoDB hold what matters. */
const LEAVE_WITHIN_MS = 9_500
const CLOSE_PORT_AFTER_MS = 500
const CLOSE_IDLE_EVERY_MS = 50

function readConfig(): Config {
  try {
    const config = parseConfig(process.env)
    scrubEnvironment(process.env, { names: SERVER_ADDRESSES })
    return config
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error
    process.stderr.write(`The server cannot start; these environment variables are wrong:\n${error.message}\n`)
    process.exit(2)
  }
}

async function start(config: Config, logger: Logger): Promise<void> {
  const app = await NestFactory.create<NestExpressApplication>(AppModule.with(config, logger), { ...HTTP_OPTIONS, logger })
  configureHttp(app)
  // Before `listen` initialises the modules, whose repositories then make collections and indexes.
  await runMigrations(app.get(Mongo).db, config.serverId, logger)
  const http: HttpServer = app.getHttpServer()
  app.get(Sockets).attach(http)
  const shutdown = app.get(Shutdown)
  const requestsEnded = new Promise<void>((resolve) => {
    shutdown.register('take', 'http', () => stopListening(http, resolve))
  })
  shutdown.register('finish', 'http requests', () => requestsEnded)
  await app.listen(config.port, config.host)
  logger.info('Listening', { host: config.host, port: config.port, version: VERSION })

  let isLeaving = false
  const leave = (signal: string): void => {
    if (isLeaving) return
    isLeaving = true
    logger.info('Leaving', { signal })
    setTimeout(() => {
      logger.error('Did not leave in time')
      process.exit(1)
    }, LEAVE_WITHIN_MS).unref()
    shutdown
      .run()
      .then(() => {
        http.closeAllConnections()
        return app.close()
      })
      .then(
        () => process.exit(0),
        (err: unknown) => {
          logger.error('Could not leave in order', { err })
          process.exit(1)
        },
      )
  }
  process.on('SIGTERM', leave)
  process.on('SIGINT', leave)
}

/**
 * From now on each answer ends its connection (see configureHttp), so that those in use are given up by the load balancer, not cut under a request that is on its
 * way. Then the port is closed, and the load balancer goes elsewhere. Requests under way go on; `onEnded` is called when there are none left.
 */
async function stopListening(http: HttpServer, onEnded: () => void): Promise<void> {
  await sleep(CLOSE_PORT_AFTER_MS)
  const idle = setInterval(() => http.closeIdleConnections(), CLOSE_IDLE_EVERY_MS)
  http.close(() => {
    clearInterval(idle)
    onEnded()
  })
}

const config = readConfig()
const logger = new Logger(config.logLevel, config.serverId)
process.on('unhandledRejection', (err) => logger.error('Unhandled rejection', { err }))
process.on('uncaughtException', (err) => {
  logger.fatal('Uncaught exception', { err })
  process.exit(1)
})
start(config, logger).catch((err: unknown) => {
  logger.fatal('The server cannot start', { err })
  process.exit(1)
})
