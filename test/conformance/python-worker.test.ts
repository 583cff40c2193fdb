import { describe } from 'vitest'
import { conformance } from './suite.js'
import { python, PYTHON_PROBLEM } from './worker-under-test.js'

describe.skipIf(PYTHON_PROBLEM !== undefined)(`Python${PYTHON_PROBLEM ?? ''}`, () => {
  conformance(python)
})
