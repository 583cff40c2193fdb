// Handlers that tests run on a worker: `jobtrail-worker --handlers test/support/handlers.mjs`.

import { existsSync } from 'node:fs'

/** Does nothing. */
export async function noop() {}

/** Prints each of `params.lines` with a turn of the event loop between, and returns their number. */
export async function print({ params }) {
  for (const line of params.lines) {
    console.log(line)
    await new Promise((resolve) => setImmediate(resolve))
  }
  return { printed: params.lines.length }
}

/** Writes by every way there is. */
export async function everyWay({ log, progress }) {
  console.log('console.log %d', 1)
  console.error('console.error')
  process.stdout.write('stdout.write ')
  process.stdout.write('in two parts\n')
  process.stderr.write(Buffer.from('stderr.write as bytes\n'))
  log.info('log.info')
  progress(50, 'half way')
  setTimeout(() => console.log('from a timer'), 5)
  await new Promise((resolve) => setTimeout(resolve, 30))
  console.log('no newline at the end'.padEnd(30, '.'))
}

/** Ends only when it is told to. */
export async function untilAborted({ signal }) {
  console.log('waiting')
  await new Promise((resolve) => signal.addEventListener('abort', resolve, { once: true }))
  throw new Error('aborted')
}

/** Fails at each attempt before `params.succeedAt`. */
export async function failing({ attempt, params }) {
  console.log(`attempt ${attempt}`)
  if (attempt < params.succeedAt) throw new Error(`attempt ${attempt} failed on purpose`)
  return { attempt }
}

/** Says how far it is, goes on when there is a file `params.gate` with the attempt's number, and fails at its first attempt. */
export async function inParts({ attempt, params, progress, signal }) {
  progress(25, `part ${attempt} of 2`)
  while (!existsSync(`${params.gate}-${attempt}`) && !signal.aborted) await new Promise((resolve) => setTimeout(resolve, 20))
  if (attempt === 1) throw new Error('the first part failed on purpose')
}

/** Tells its secret by all that is not its output: progress, and when there is a file `params.gate`, its error or its result. */
export async function telling({ params, secrets, progress, signal }) {
  progress(10, `knows ${secrets.KEY}`)
  while (!existsSync(params.gate) && !signal.aborted) await new Promise((resolve) => setTimeout(resolve, 20))
  if (params.fails) throw new Error(`does not like ${secrets.KEY}`)
  return { of: { key: secrets.KEY }, in: [`this ${secrets.KEY} too`] }
}
