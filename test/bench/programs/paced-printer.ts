/** Prints lines of 113 bytes at a steady pace, each with the time at which it was written. Arguments: lines per second, seconds. */
import { writeSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { machineMs } from '../harness/clock.js'
import { LINE_BYTES } from '../harness/corpus.js'

const [rate = '', seconds = ''] = process.argv.slice(2)
const perMs = Number(rate) / 1_000
const total = Number(rate) * Number(seconds)
const startedAt = machineMs()
for (let written = 0; written < total;) {
  const due = Math.min(total, Math.floor((machineMs() - startedAt) * perMs))
  let text = ''
  for (let n = written; n < due; n++) text += `${machineMs().toFixed(3)} line ${n} of a job that prints at a steady pace `.padEnd(LINE_BYTES - 1, '.') + '\n'
  if (text !== '') writeSync(1, text)
  written = due
  await sleep(1)
}
