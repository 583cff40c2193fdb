import { describe } from 'vitest'
import { conformance } from './suite.js'
import { python } from './worker-under-test.js'

describe(`${python.name}`, () => conformance(python))
