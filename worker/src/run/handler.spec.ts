import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { sampleAssignment, sampleContext } from '../testing/samples.js'
import { HandlerRunner } from './handler.js'
import type { Handler } from '../sdk-types.js'
import { installOutputCapture } from './output-capture.js'

const start = (handler: Handler, params = {}, secrets = {}) => {
  const context = sampleContext(sampleAssignment({ processor: { kind: 'handler', handler: 'h' }, params, secrets, killGraceMs: 20 }))
  return { context, execution: new HandlerRunner(new Map([['h', handler]])).start(context) }
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

  it('has to be registered', () => {
    const context = sampleContext(sampleAssignment({ processor: { kind: 'handler', handler: 'other' } }))
    expect(() => new HandlerRunner(new Map()).start(context)).toThrow('No handler "other" is registered')
  })
})
