/** Bare BullMQ: adds no-op jobs, then runs them with one Worker, and prints the jobs per second as JSON. Arguments: URL of Redis, number of jobs, concurrency. */
import { Queue, Worker } from 'bullmq'
import { Redis } from 'ioredis'

const [url = '', jobs = '', concurrency = ''] = process.argv.slice(2)
const count = Number(jobs)
const connection = new Redis(url, { maxRetriesPerRequest: null })
const name = `bare-${process.pid}`
const options = { connection, prefix: 'bench-ceiling' }
const queue = new Queue(name, options)
for (let added = 0; added < count; added += 1_000) {
  const size = Math.min(1_000, count - added)
  await queue.addBulk(Array.from({ length: size }, (_, i) => ({ name: 'noop', data: { i: added + i }, opts: { removeOnComplete: true } })))
}
let done = 0
const worker = new Worker(name, () => Promise.resolve(), { ...options, concurrency: Number(concurrency), autorun: false })
const finished = new Promise<void>((resolve, reject) => {
  worker.on('completed', () => {
    done += 1
    if (done === count) resolve()
  })
  worker.on('error', reject)
})
const startedAt = performance.now()
void worker.run()
await finished
const jobsPerSecond = count / ((performance.now() - startedAt) / 1_000)
await worker.close()
await queue.obliterate({ force: true })
await queue.close()
connection.disconnect()
process.stdout.write(`${JSON.stringify({ jobsPerSecond })}\n`)
