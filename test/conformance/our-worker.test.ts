import { describe } from 'vitest'
import { conformance } from './suite.js'
import { ours } from './worker-under-test.js'

describe('our worker', () => {
  conformance(ours)
})
