import { fileURLToPath } from 'node:url'
import { defineConfig } from 'vitest/config'

// Tests against real processes. One file at a time: they measure waits, and two cores are soon full.
export default defineConfig({
  root: fileURLToPath(new URL('..', import.meta.url)),
  test: {
    name: 'integration',
    include: ['test/**/*.test.ts', 'worker/src/**/*.process.spec.ts'],
    globalSetup: ['test/support/global-setup.ts'],
    pool: 'forks',
    fileParallelism: false,
    testTimeout: 120_000,
    hookTimeout: 180_000,
    teardownTimeout: 60_000,
    // No retries: a test that fails now and then has found something.
    retry: 0,
  },
})
