import pino from 'pino'
import type { WorkerLogger } from './sdk-types.js'

/** The worker's own log: JSON lines on stderr, written past `process.stderr`, so that it never lands in an attempt's log. */
export function makeLogger(level: string, name: string): WorkerLogger {
  return pino({ level, base: { worker: name, pid: process.pid } }, pino.destination({ dest: 2, sync: true }))
}
