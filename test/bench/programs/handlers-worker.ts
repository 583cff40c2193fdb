/** A worker made with the SDK. `noop` does nothing; `entered` answers with the time at which it was called. */
import { parseArgs } from 'node:util'
import { createWorker } from '@jobtrail/worker'
import { machineMs } from '../harness/clock.js'

const { values } = parseArgs({
  options: { server: { type: 'string' }, name: { type: 'string' }, slots: { type: 'string' }, 'spool-dir': { type: 'string' } },
})
const { server = '', name = '', slots = '', 'spool-dir': spoolDir = '' } = values
const worker = createWorker({ server, name, slots, spoolDir, token: process.env['JOBTRAIL_TOKEN'] ?? '', logLevel: 'warn' })
worker.handle('noop', () => undefined)
worker.handle('entered', () => ({ machineMs: machineMs(), epochMs: Date.now() }))
process.once('SIGTERM', () => {
  void worker.stop().then(() => process.exit(0))
})
await worker.start()
