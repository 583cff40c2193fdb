import { describe } from 'vitest'
import { conformance } from './suite.js'
import { python } from './worker-under-test.js'

describe('the Python worker', () => {
  conformance(python)
})
