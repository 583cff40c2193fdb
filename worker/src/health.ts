import { readFileSync, rmSync, statSync, utimesSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describeError, systemCode } from './errors.js'
import { isAlive, statOf } from './guard/processes.js'
import type { WorkerLogger } from './sdk-types.js'

const BEAT_MS = 5_000
/** A worker that has not beaten for so long is stuck. */
const STALE_MS = 30_000

const pathIn = (spoolDir: string): string => join(spoolDir, 'health')

/**
 * A file in the spool folder that is touched while the worker's main loop turns and its guard lives: touching works on a full disk, too. Whether a server can be
 * reached is no part of it: a worker works on through an outage, and restarting all of them would end what they run.
 */
export class HealthBeat {
  private readonly timer: NodeJS.Timeout
  private readonly path: string

  constructor(
    spoolDir: string,
    private readonly isGuarded: () => boolean,
    private readonly log: WorkerLogger,
  ) {
    this.path = pathIn(spoolDir)
    this.timer = setInterval(() => this.beat(), BEAT_MS)
    this.timer.unref()
    // Anew: one that a killed process left names that process.
    this.make()
  }

  /** The file stays: it may be another's. */
  abandon(): void {
    clearInterval(this.timer)
  }

  close(): void {
    clearInterval(this.timer)
    rmSync(this.path, { force: true })
  }

  private beat(): void {
    if (!this.isGuarded()) return
    try {
      const now = new Date()
      utimesSync(this.path, now, now)
    } catch (error) {
      if (systemCode(error) === 'ENOENT') this.make()
      else this.log.warn({ err: error }, 'the health file cannot be touched')
    }
  }

  private make(): void {
    try {
      writeFileSync(this.path, `${process.pid} ${statOf(process.pid)?.start ?? ''}\n`, { mode: 0o600 })
    } catch (error) {
      this.log.warn({ err: error }, 'the health file cannot be written')
    }
  }
}

/** What is wrong with the worker of this spool folder; undefined: nothing. */
export function healthProblem(spoolDir: string, now = Date.now()): string | undefined {
  try {
    const [pid = '', start = ''] = readFileSync(pathIn(spoolDir), 'utf8').trim().split(' ')
    if (!isAlive(Number(pid)) || (start !== '' && statOf(Number(pid))?.start !== start)) return `the worker with process ID ${pid} does not run any more`
    const ageMs = now - statSync(pathIn(spoolDir)).mtimeMs
    if (ageMs > STALE_MS) return `its main loop or its guard has been silent for ${Math.round(ageMs / 1_000)} s`
    return undefined
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return `no worker runs on ${spoolDir}`
    return describeError(error)
  }
}
