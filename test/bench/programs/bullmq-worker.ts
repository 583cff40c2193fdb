/**
 * Bare BullMQ: no-op jobs through one Worker in this process. Prints as JSON the jobs per second of the Worker alone, with the jobs added before, and those from the first add to
 * the last completed, while another process adds. Arguments: URL of Redis, number of jobs, concurrency; of the other process: URL of Redis, number of jobs, name of the queue.
 */
import { fork } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { Queue, Worker } from 'bullmq'
import { Redis } from 'ioredis'

const PER_CALL = 1_000
/** As many calls at a time as the benchmark of Jobtrail makes. */
const CALLS = 2

const [url = '', jobs = '', third = ''] = process.argv.slice(2)
const count = Number(jobs)
const connection = new Redis(url, { maxRetriesPerRequest: null })
const options = { connection, prefix: 'bench-ceiling' }

async function add(queue: Queue): Promise<void> {
  let added = 0
  const lane = async (): Promise<void> => {
    while (added < count) {
      const from = added
      added = Math.min(count, added + PER_CALL)
      const size = added - from
      await queue.addBulk(Array.from({ length: size }, (_, i) => ({ name: 'noop', data: { i: from + i }, opts: { removeOnComplete: true } })))
    }
  }
  await Promise.all(Array.from({ length: CALLS }, lane))
}

/** Runs all jobs of the queue and gives the time at which the last was completed. */
async function runAll(name: string): Promise<number> {
  let done = 0
  const worker = new Worker(name, () => Promise.resolve(), { ...options, concurrency: Number(third), autorun: false })
  const finished = new Promise<number>((resolve, reject) => {
    worker.on('completed', () => {
      done += 1
      if (done === count) resolve(performance.now())
    })
    worker.on('error', reject)
  })
  void worker.run()
  const at = await finished
  await worker.close()
  return at
}

async function measure(): Promise<void> {
  const alone = new Queue(`alone-${process.pid}`, options)
  await add(alone)
  const runAt = performance.now()
  const jobsPerSecond = count / (((await runAll(alone.name)) - runAt) / 1_000)

  const shared = new Queue(`added-${process.pid}`, options)
  const adder = fork(fileURLToPath(import.meta.url), [url, jobs, shared.name])
  await once(adder, 'message')
  const addAt = performance.now()
  adder.send('go')
  const addedJobsPerSecond = count / (((await runAll(shared.name)) - addAt) / 1_000)

  for (const queue of [alone, shared]) {
    await queue.obliterate({ force: true })
    await queue.close()
  }
  process.stdout.write(`${JSON.stringify({ jobsPerSecond, addedJobsPerSecond })}\n`)
}

if (process.send === undefined) await measure()
else {
  const queue = new Queue(third, options)
  await queue.waitUntilReady()
  process.send('ready')
  await once(process, 'message')
  await add(queue)
  await queue.close()
  process.disconnect()
}
connection.disconnect()
