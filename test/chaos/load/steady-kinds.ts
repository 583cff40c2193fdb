import { randomBytes } from 'node:crypto'
import type { Namespace } from '../cluster/sign-in.js'
import { memberOf } from '../oracle/json.js'
import type { Random } from '../random.js'
import { endsAs, sameJson } from './judging.js'
import type { JobKind } from './kind.js'
import { countedLines, countLines, giveResult, PATIENT, plainLines, prelude, shellJob, THREE_LINES } from './scripts.js'

/** A parameter of each JSON type, different each time. */
function someParams(random: Random, number: number): string {
  const odd = random.pick(['"plain"', '"ü→😀"', '[1,[2,{"three":3}]]', '{"nested":{"a":[]}}', '-0.25', 'null', 'true'])
  return `{"number":${number},"odd":${odd},"noise":"${randomBytes(8).toString('hex')}"}`
}

type Scheduled = { name: string; namespace: Namespace; stepMs: number; isCron: boolean; isShell: boolean }

/** What runs all the time and has nothing odd about it: schedules, runs by the API, logs. */
export function steadyKinds(witness: string): JobKind[] {
  const start = prelude(witness)
  const scheduled = ({ name, namespace, stepMs, isCron, isShell }: Scheduled): JobKind => ({
    name,
    namespace,
    schedule: { stepMs, isCron },
    job: {
      ...(isShell ? shellJob(start, THREE_LINES) : { processor: { kind: 'handler', handler: 'noop' } }),
      retry: PATIENT,
      trigger: isCron ? { kind: 'cron', expression: `*/${stepMs / 1_000} * * * * *` } : { kind: 'interval', everyMs: stepMs },
    },
    judge: endsAs('SUCCEEDED'),
    ...(isShell ? { output: (_run, attempt) => plainLines(attempt, 3) } : { isSilent: true }),
  })
  const echo = (name: string, namespace: Namespace, everyMs: number): JobKind => ({
    name,
    namespace,
    everyMs,
    job: { ...shellJob(start, `${giveResult('cat "$JOBTRAIL_PARAMS_FILE"')}; ${THREE_LINES}`), retry: PATIENT },
    input: (random, number) => ({ params: someParams(random, number) }),
    output: (_run, attempt) => plainLines(attempt, 3),
    judge: endsAs('SUCCEEDED'),
    data: (run, detail) => [
      ...sameJson('the parameters', run.params, memberOf(detail, 'params')),
      ...sameJson('the result', run.params, memberOf(detail, 'result')),
    ],
  })
  return [
    scheduled({ name: 'cron-2s', namespace: 'alpha', stepMs: 2_000, isCron: true, isShell: true }),
    scheduled({ name: 'cron-3s', namespace: 'alpha', stepMs: 3_000, isCron: true, isShell: true }),
    scheduled({ name: 'interval-2300ms', namespace: 'alpha', stepMs: 2_300, isCron: false, isShell: true }),
    scheduled({ name: 'cron-handler-1s', namespace: 'alpha', stepMs: 1_000, isCron: true, isShell: false }),
    scheduled({ name: 'cron-handler-2s', namespace: 'alpha', stepMs: 2_000, isCron: true, isShell: false }),
    scheduled({ name: 'interval-handler-700ms', namespace: 'alpha', stepMs: 700, isCron: false, isShell: false }),
    scheduled({ name: 'beta-cron-3s', namespace: 'beta', stepMs: 3_000, isCron: true, isShell: true }),
    echo('echo', 'alpha', 1_000),
    echo('beta-echo', 'beta', 3_000),
    {
      name: 'long-log',
      namespace: 'alpha',
      everyMs: 5_000,
      job: { ...shellJob(start, `${countLines({ lines: '$JOBTRAIL_PARAM_LINES', burst: 250, pauseSeconds: 0.05 })}; say stop`), retry: PATIENT },
      input: (random) => ({ params: `{"lines":${2_000 + random.below(18_000)}}` }),
      output: (run, attempt) => countedLines(attempt, Number(/\d+/.exec(run.params)?.[0])),
      judge: endsAs('SUCCEEDED'),
    },
    {
      name: 'slow-log',
      namespace: 'alpha',
      everyMs: 7_000,
      job: { ...shellJob(start, `${countLines({ lines: '40', burst: 1, pauseSeconds: 0.2 })}; say stop`), retry: PATIENT },
      output: (_run, attempt) => countedLines(attempt, 40),
      judge: endsAs('SUCCEEDED'),
    },
  ]
}
