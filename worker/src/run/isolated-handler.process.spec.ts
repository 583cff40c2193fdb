import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Assignment } from '@jobtrail/protocol/wire/assignment'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { GuardClient } from '../guard/guard-client.js'
import { isAlive } from '../guard/processes.js'
import { Reaper } from '../guard/reaper.js'
import { sampleAssignment, sampleContext, silentLog, temporaryFolder } from '../testing/samples.js'
import { HandlerRunner } from './handler.js'
import { IsolatedHandlers } from './isolated-handler.js'
import { ShellRunner } from './shell.js'

/** Processes of their own run as built. */
const built = (path: string): string => fileURLToPath(new URL(`../../dist/${path}`, import.meta.url))

const MODULE = `
  import { spawn } from 'node:child_process'
  export const report = async (ctx) => {
    console.log('step', 1)
    ctx.log.warn('%d of %s', ctx.attempt, ctx.jobName, process.env.PASSWORD)
    ctx.progress(50, 'half')
    setInterval(() => undefined, 1000) // what is forgotten keeps nothing
    return { doubled: ctx.params.n * 2, secret: ctx.secrets.PASSWORD.length }
  }
  export const failing = () => { throw new Error('no such table', { cause: new Error('db away') }) }
  export const blocked = () => { console.log(process.pid); console.log(spawn('setsid', ['sleep', '100'], { env: {PATH: process.env.PATH}, stdio: 'ignore' }).pid); for (;;); }
  export const heeding = (ctx) => new Promise((_, reject) => { console.log('up'); ctx.signal.addEventListener('abort', () => reject(ctx.signal.reason)) })
  export const crashing = () => process.exit(3)`

describe('an isolated handler', () => {
  const folder = temporaryFolder()
  const module = join(folder.path, 'handlers.mjs')
  const guard = new GuardClient(silentLog, built('guard/guard.js'))
  let runner: HandlerRunner
  beforeAll(() => {
    writeFileSync(module, MODULE)
    const options = { runsDir: join(folder.path, 'runs'), guard, reaper: new Reaper(silentLog), cgroups: undefined, log: silentLog, env: process.env }
    const handlers = new Map(['report', 'failing', 'blocked', 'heeding', 'crashing', 'missing'].map((name) => [name, { module }]))
    runner = new HandlerRunner(handlers, new IsolatedHandlers(new ShellRunner(options), built('run/handler-process.js')))
  })
  afterAll(() => {
    guard.close()
    folder.remove()
  })

  const start = (handler: string, changes: Partial<Assignment> = {}) => {
    const context = sampleContext(sampleAssignment({ processor: { kind: 'handler', handler }, ...changes }))
    return { context, execution: runner.start(context) }
  }
  const until = (condition: () => boolean) => expect.poll(condition, { interval: 5, timeout: 15_000 }).toBe(true)

  it('has the same context, output, progress and result as one in the worker, and no secret in its environment', async () => {
    const { context, execution } = start('report', { params: { n: 4 }, secrets: { PASSWORD: 'sesame' } })
    expect(await execution.done).toMatchObject({ isSuccess: true, exitCode: null, error: null, result: { doubled: 8, secret: 6 } })
    expect(context.stream.text).toEqual({ stdout: 'step 1\n', stderr: 'WARN 1 of nightly undefined\n' })
    expect(context.events).toEqual(['started', '50 half'])
    await execution.released
  })

  it('fails with what it throws, with what is missing, and with the end of its process', async () => {
    const failing = start('failing')
    expect(await failing.execution.done).toMatchObject({ isSuccess: false, error: 'Error: no such table: db away' })
    expect(failing.context.stream.text.stderr).toContain('no such table')
    expect(await start('missing').execution.done).toMatchObject({ isSuccess: false, error: expect.stringContaining('exports no handler "missing"') })
    expect(await start('crashing').execution.done).toMatchObject({
      ...{ isSuccess: false, exitCode: 3, error: "The handler's process ended without a word: Exit code 3" },
    })
  })

  it('is told to stop by its signal', async () => {
    const { context, execution } = start('heeding', { killGraceMs: 60_000 })
    await until(() => context.stream.text.stdout === 'up\n')
    expect(execution.stop('Cancelled')).toBe(true)
    expect(await execution.done).toMatchObject({ isSuccess: false, error: 'Error: Cancelled' })
  })

  it('is killed with all that it started, also when it blocks its event loop', async () => {
    for (const end of ['stop', 'kill'] as const) {
      const { context, execution } = start('blocked', { killGraceMs: 20 })
      await until(() => context.stream.text.stdout.split('\n').length === 3)
      execution[end]('the lease has run out')
      expect(await execution.done).toMatchObject({ isSuccess: false, signal: 'SIGKILL' })
      await execution.released
      expect(context.stream.text.stdout.trim().split('\n').map(Number).filter(isAlive)).toEqual([])
    }
  })
})
