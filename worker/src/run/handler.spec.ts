import { AsyncResource } from 'node:async_hooks'
import pino from 'pino'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { sampleAssignment, sampleContext, silentLog } from '../testing/samples.js'
import { HandlerRunner } from './handler.js'
import type { Handler } from './handler-call.js'
import { installOutputCapture } from './output-capture.js'

const start = (handler: Handler, params = {}, secrets = {}, log = silentLog) => {
  const context = sampleContext(sampleAssignment({ processor: { kind: 'handler', handler: 'h' }, params, secrets, killGraceMs: 20 }))
  return { context, execution: new HandlerRunner(new Map([['h', handler]]), log).start(context) }
}

describe('handler', () => {
  let undo: () => void
  beforeEach(() => (undo = installOutputCapture()))
  afterEach(() => undo())

  it('returns its result, and tells start and progress', async () => {
    const { context, execution } = start(
      (ctx) => {
        ctx.progress(50, 'half')
        return { doubled: Number(ctx.params['n']) * 2 }
      },
      { n: 4 },
    )
    expect(await execution.done).toMatchObject({ isSuccess: true, result: { doubled: 8 }, error: null })
    expect(context.events).toEqual(['started', '50 half'])
  })

  it('is given the secrets of its job', async () => {
    const { execution } = start((ctx) => Object.keys(ctx.secrets).map((name) => `${name} ${ctx.secrets[name]?.length}`), {}, { PASSWORD: 'sesame' })
    expect(await execution.done).toMatchObject({ isSuccess: true, result: ['PASSWORD 6'] })
  })

  it('fails with what it throws, and its stack is in the log', async () => {
    const { context, execution } = start(() => Promise.reject(new Error('no such table', { cause: new Error('db away') })))
    expect(await execution.done).toMatchObject({ isSuccess: false, error: 'Error: no such table: db away' })
    expect(context.stream.text.stderr).toContain('no such table')
  })

  it('leaves out a result that is no JSON or too large, and says so', async () => {
    expect(await start(() => 1n).execution.done).toMatchObject({ isSuccess: true, result: null, error: expect.stringContaining('cannot be written as JSON') })
    expect(await start(() => 'x'.repeat(70_000)).execution.done).toMatchObject({
      isSuccess: true,
      result: null,
      error: expect.stringContaining('it has 70,002 bytes, the limit is 65,536'),
    })
  })

  it('succeeds with what JSON can hold of its result, and says what it cannot', async () => {
    expect(await start(() => ({ a: Infinity, list: [NaN], big: 2 ** 60, when: new Date(0) })).execution.done).toMatchObject({
      isSuccess: true,
      result: { a: null, list: [null], big: 2 ** 60, when: '1970-01-01T00:00:00.000Z' },
      error: 'The result was changed, since JSON cannot hold all of it: a is Infinity and became null, list[0] is NaN and became null',
    })
  })

  it('owns what it prints, even when several run at once, after awaits and in any encoding', async () => {
    const runs = [1, 2, 3].map((n) =>
      start(async (ctx) => {
        process.stdout.write(`begin ${n}\n`)
        await new Promise((resolve) => setTimeout(resolve, 5 * (4 - n)))
        process.stdout.write(Buffer.from(`hex ${n}\n`).toString('hex'), 'hex')
        await new Promise<void>((resolve) => process.stderr.write(new TextEncoder().encode(`error ${n}\n`), () => resolve()))
        ctx.log.info('info %d', n, { a: 1 })
        ctx.log.error(new RangeError('odd').message)
      }),
    )
    await Promise.all(runs.map(({ execution }) => execution.done))
    runs.forEach(({ context }, i) => {
      expect(context.stream.text.stdout).toBe(`begin ${i + 1}\nhex ${i + 1}\nINFO info ${i + 1} { a: 1 }\n`)
      expect(context.stream.text.stderr).toBe(`error ${i + 1}\nERROR odd\n`)
    })
  })

  it('feels pressure by the return value, and is told when there is room', async () => {
    let makeRoom: () => void = () => undefined
    const { context, execution } = start(async () => {
      await new Promise((resolve) => setImmediate(resolve))
      const hadRoom = process.stdout.write('x\n')
      if (!hadRoom) await new Promise((resolve) => process.stdout.once('drain', resolve))
      return hadRoom
    })
    context.stream.hasRoom = false
    context.stream.whenWritable = new Promise((resolve) => (makeRoom = resolve))
    setTimeout(() => makeRoom(), 10)
    expect(await execution.done).toMatchObject({ isSuccess: true, result: false })
  })

  it('is told to stop by its signal', async () => {
    const { execution } = start((ctx) => new Promise((_resolve, reject) => ctx.signal.addEventListener('abort', () => reject(ctx.signal.reason))))
    expect(execution.stop('Cancelled')).toBe(true)
    expect(await execution.done).toMatchObject({ isSuccess: false, error: 'Error: Cancelled' })
    await execution.released
  })

  it('ends after the grace time when it does not heed its signal, but keeps its slot', async () => {
    let finish: () => void = () => undefined
    const { execution } = start(() => new Promise<void>((resolve) => (finish = resolve)))
    execution.stop('Timed out')
    expect(await execution.done).toMatchObject({ isSuccess: false, error: expect.stringContaining('still runs') })
    let isReleased = false
    void execution.released.then(() => (isReleased = true))
    await new Promise((resolve) => setImmediate(resolve))
    expect(isReleased).toBe(false)
    finish()
    await execution.released
  })

  it("prints on the worker's own output once its attempt has ended: masked, counted, and named in the worker's log", async () => {
    undo()
    const own = vi.spyOn(process.stdout, 'write').mockReturnValue(true)
    undo = installOutputCapture()
    const warnings: unknown[] = []
    const log = pino({ base: null, timestamp: false }, { write: (line) => void warnings.push(JSON.parse(line)) })
    let print: () => void = () => undefined
    try {
      const { context, execution } = start(
        (ctx) => {
          print = AsyncResource.bind(() => {
            process.stdout.write('late sesame-open\n')
            ctx.log.info('also sesame-open')
          })
          process.stdout.write('in time\n')
        },
        {},
        { PASSWORD: 'sesame-open' },
        log,
      )
      expect(await execution.done).toMatchObject({ isSuccess: true })
      for (let i = 0; i < 6; i++) print()
      expect(context.stream.text.stdout).toBe('in time\n')
      expect(own.mock.calls.map(([bytes]) => String(bytes))).toEqual(Array.from({ length: 6 }, () => ['late ***\n', 'INFO also ***\n']).flat())
      expect(warnings).toMatchObject([
        { level: 40, attempt: context.key, writes: 1, bytes: 17, msg: expect.stringContaining('after its attempt has ended') },
        { level: 40, attempt: context.key, writes: 10 },
      ])
    } finally {
      undo()
      own.mockRestore()
    }
  })

  it('has to be registered', () => {
    const context = sampleContext(sampleAssignment({ processor: { kind: 'handler', handler: 'other' } }))
    expect(() => new HandlerRunner(new Map(), silentLog).start(context)).toThrow('No handler "other" is registered')
  })
})
