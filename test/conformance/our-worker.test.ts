import { conformance } from './suite.js'
import { ours } from './worker-under-test.js'

conformance(ours)
