import { utimesSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { pino } from 'pino'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { HealthBeat, healthProblem } from './health.js'
import { temporaryFolder } from './testing/samples.js'

let folder: ReturnType<typeof temporaryFolder>
beforeEach(() => (folder = temporaryFolder()))
afterEach(() => folder.remove())

it('a worker is healthy at once though the one before it was killed and left its file', () => {
  writeFileSync(join(folder.path, 'health'), '999999999 1\n')
  expect(healthProblem(folder.path)).toContain('does not run any more')
  const beat = new HealthBeat(folder.path, () => true, pino({ level: 'silent' }))
  expect(healthProblem(folder.path)).toBeUndefined()
  beat.close()
  expect(healthProblem(folder.path)).toContain('no worker runs')
})

it('a worker whose loop stands still, or whose guard is gone, is not healthy', () => {
  const beat = new HealthBeat(folder.path, () => true, pino({ level: 'silent' }))
  const before = new Date(Date.now() - 60_000)
  utimesSync(join(folder.path, 'health'), before, before)
  expect(healthProblem(folder.path)).toContain('has been silent')
  beat.close()
})
