import { fileURLToPath } from 'node:url'
import { defineConfig } from 'vitest/config'

const root = fileURLToPath(new URL('.', import.meta.url))

// Unit tests: logic without I/O. They read the sources of the other packages, so they need no build.
export default defineConfig({
  root,
  resolve: {
    alias: [
      { find: /^@jobtrail\/(protocol|api|process)\/(.+)$/, replacement: `${root}$1/src/$2.ts` },
      { find: /^@jobtrail\/deploy\/(.+)$/, replacement: `${root}deploy/local/$1.ts` },
    ],
  },
  test: {
    name: 'unit',
    include: ['{protocol,api,process,server,worker,console}/src/**/*.spec.{ts,tsx}', 'deploy/local/**/*.spec.ts', 'test/chaos/**/*.spec.ts'],
    // Those start processes of the built worker: they run with the integration tests.
    exclude: ['**/*.process.spec.ts', '**/node_modules/**'],
    pool: 'forks',
    // Loading Nest anew for each file would take most of the time; these tests share no state.
    isolate: false,
    maxWorkers: 2,
    testTimeout: 20_000,
  },
})
