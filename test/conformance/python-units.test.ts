import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { REPO_ROOT } from '@jobtrail/deploy/paths'
import { expect, test } from 'vitest'
import { PYTHON_PROBLEM } from './worker-under-test.js'

test.skipIf(PYTHON_PROBLEM !== undefined)(`the unit tests of the Python worker pass${PYTHON_PROBLEM ?? ''}`, () => {
  const { status, stderr } = spawnSync('python3', ['-m', 'unittest', 'discover', join(REPO_ROOT, 'clients/python/tests')], {
    env: { ...process.env, PYTHONDONTWRITEBYTECODE: '1' },
    encoding: 'utf8',
  })
  expect(status, stderr).toBe(0)
})
