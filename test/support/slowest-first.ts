import { BaseSequencer, type TestSpecification } from 'vitest/node'

/**
 * Files that take longest, the longest first: one that begins last would run alone while the other core waits. A fresh clone has no
 * times of its own to go by, and the size of a file says nothing. `npm test` ends with the times to bring this list up to date.
 */
const SLOWEST = [
  'cluster/chaos',
  'cluster/fire-once',
  'browser/accessibility',
  'browser/lists',
  'browser/define-and-run',
  'browser/log-viewer',
  'browser/roles',
  'integration/redis-topologies',
  'cluster/drain',
  'integration/rights',
  'integration/dispatch',
  'browser/languages',
  'integration/greedy-viewers',
  'integration/follow',
  'integration/drain',
  'browser/keyboard',
  'integration/output-shapes',
  'cluster/worker-loss',
  'browser/injection',
  'integration/retention',
  'integration/start',
  'integration/logs-verify',
  'browser/sign-in',
  'integration/bulk-runs',
  'integration/worker-spool',
]

function rank({ moduleId }: TestSpecification): number {
  const index = SLOWEST.findIndex((name) => moduleId.endsWith(`/test/${name}.test.ts`))
  return index < 0 ? SLOWEST.length : index
}

/** Runs the slowest files first, so that all workers end at about the same time. */
export default class SlowestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const group = ({ project }: TestSpecification): number => project.config.sequence.groupOrder
    // oxlint-disable-next-line unicorn/no-array-sort -- not an array's: vitest's own order
    const usual = await super.sort(files)
    return usual.toSorted((a, b) => group(a) - group(b) || rank(a) - rank(b))
  }
}
