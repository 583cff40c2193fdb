import { expect, test } from 'vitest'
import { runChaos } from '../chaos/bench.js'
import { FAULTS } from '../chaos/faults/all.js'
import { DEFAULTS } from '../chaos/options.js'
import { tables, totalFaults } from '../chaos/report.js'

const GAP_MS = 2_200
/** A run of `npm run chaos` has these as well: they take as long as all others together. */
const LEFT_OUT = ['worker-former', 'rolling-former']
const KINDS = FAULTS.map(({ name }) => name).filter((name) => !LEFT_OUT.includes(name))
/** Each kind comes up once before any comes up twice, and some cannot hurt anything when their turn comes. */
const ROUNDS = KINDS.length + 3

test('nothing is lost, doubled or misstated while everything is broken once', { timeout: 600_000 }, async () => {
  const said: string[] = []
  const result = await runChaos({ ...DEFAULTS, minutes: (ROUNDS * GAP_MS) / 60_000, gapMs: GAP_MS, seed: 8, faults: KINDS }, (line) => said.push(line))
  const { findings, faults } = result
  expect(findings.totalViolations, `${said.join('\n')}\n${tables(result)}`).toBe(0)
  expect(findings.totalChecks).toBeGreaterThan(2_000)
  // Some find nothing that they may hurt when their turn comes, more of them on a slow machine.
  expect(totalFaults(result)).toBeGreaterThan(20)
  expect(faults.filter(({ count }) => count > 0).length, tables(result)).toBeGreaterThan(faults.length * 0.8)
})
