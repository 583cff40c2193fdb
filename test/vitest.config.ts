import { fileURLToPath } from 'node:url'
import { defineConfig, defineProject } from 'vitest/config'

/** They load the whole machine, or measure what a loaded one would spoil: each has it for itself. */
const ALONE = [
  'test/cluster/{chaos,fire-once}.test.ts',
  'test/integration/start.test.ts',
  'test/browser/{fast-log,live-over-lost-server,million-lines}.test.ts',
]

/** Only with `npm run conformance`: other files prove the same of the servers. */
const ON_REQUEST = process.argv.some((argument) => argument.includes('conformance')) ? [] : ['test/conformance/python-cluster.test.ts']

const root = fileURLToPath(new URL('..', import.meta.url))
// No retries: a test that fails now and then has found something.
// Conditions are waited for, so a slow machine has time: it costs nothing where they come sooner.
const options = { pool: 'forks', testTimeout: 120_000, hookTimeout: 180_000, retry: 0, expect: { poll: { timeout: 15_000, interval: 50 } } } as const

// Tests against real processes. Most wait more than they compute, so that three files at a time suit two cores.
export default defineConfig({
  root,
  test: {
    globalSetup: ['test/support/global-setup.ts'],
    teardownTimeout: 60_000,
    projects: [
      defineProject({
        root,
        test: {
          ...options,
          name: 'integration',
          include: ['test/**/*.test.ts', 'worker/src/**/*.process.spec.ts'],
          exclude: [...ALONE, ...ON_REQUEST],
          maxWorkers: 3,
          sequence: { groupOrder: 0 },
        },
      }),
      defineProject({ root, test: { ...options, name: 'alone', include: ALONE, maxWorkers: 1, sequence: { groupOrder: 1 } } }),
    ],
  },
})
