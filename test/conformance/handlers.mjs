// The handlers that the conformance suite calls; handlers.py has the same.
import { existsSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'

/** Says what it was given, and returns it. */
export async function echo({ params, attempt, jobName, log, progress }) {
  log.info(`params ${JSON.stringify(params)}`)
  log.error('to stderr')
  console.log('printed')
  progress(50, 'half way')
  return { params, attempt, jobName }
}

export async function failing() {
  throw new Error('failed on purpose')
}

/** Ends only when it is told to. */
export async function untilCancelled({ log, signal }) {
  log.info('waiting')
  await new Promise((resolve) => signal.addEventListener('abort', resolve, { once: true }))
  throw signal.reason
}

/** Tells its secret in every way there is. Ends when the file `params.gate` is there. */
export async function telling({ secrets, params, log, progress }) {
  log.info(`secret ${secrets.PASSWORD}`)
  progress(10, `at ${secrets.PASSWORD}`)
  while (!existsSync(params.gate)) await sleep(20)
  return { secret: secrets.PASSWORD }
}
