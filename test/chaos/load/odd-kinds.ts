import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { canonical, memberOf } from '../oracle/json.js'
import { leftOutProblems } from '../oracle/results.js'
import { endsAs, type RanOnFormer, sameJson } from './judging.js'
import type { JobKind } from './kind.js'
import { HOPELESS_RESULTS, ODD_JSON } from './odd-data.js'
import { giveResult, PATIENT, plainLines, prelude, shellJob } from './scripts.js'

const BINARIES = 4
const LONG_LINE = 200_000

/** Every byte there is, with few and with many line ends between. */
function binary(variant: number): Buffer {
  const bytes = Buffer.alloc(30_000 * (variant + 1))
  for (let i = 0; i < bytes.length; i++) bytes[i] = (Math.imul(i + 1, 2_654_435_761) >>> (variant * 3)) & (variant % 2 === 0 ? 0xff : 0x7f)
  return bytes
}

/** Lines of half a megabyte and none at all, and an end without a line end. */
function longLines(): Buffer {
  return Buffer.from(`${'long→'.repeat(LONG_LINE / 5)}\n\n\nshort\n${'x'.repeat(LONG_LINE)}`)
}

/** Data that no sensible job has. `fixtures`: a folder for what they print and give as their results. */
export function oddKinds(witness: string, fixtures: string, wasFormerUp: (since: number) => boolean, ranOnFormer: RanOnFormer): JobKind[] {
  mkdirSync(fixtures, { recursive: true })
  const start = prelude(witness)
  const printed = [...Array.from({ length: BINARIES }, (_, i) => binary(i)), longLines()]
  printed.forEach((bytes, i) => writeFileSync(join(fixtures, `output-${i}`), bytes))
  ODD_JSON.forEach((text, i) => writeFileSync(join(fixtures, `odd-${i}.json`), text))
  return [
    {
      name: 'odd-output',
      namespace: 'alpha',
      everyMs: 4_000,
      job: { ...shellJob(start, `cat '${fixtures}/output-'"$JOBTRAIL_PARAM_VARIANT"; say stop`), retry: PATIENT },
      input: (_random, number) => ({ params: `{"variant":${number % printed.length}}`, variant: number % printed.length }),
      bytes: ({ variant }) => printed[variant] ?? Buffer.alloc(0),
      judge: endsAs('SUCCEEDED'),
    },
    {
      name: 'odd-result',
      namespace: 'alpha',
      everyMs: 3_000,
      job: {
        ...shellJob(start, `${giveResult(`cat '${fixtures}/odd-'"$JOBTRAIL_PARAM_VARIANT.json"`)}; echo "$k 0"; say wrote 1; say stop`),
        retry: PATIENT,
      },
      input: (_random, number) => ({ params: `{"variant":${number % ODD_JSON.length}}`, variant: number % ODD_JSON.length }),
      output: (_run, attempt) => plainLines(attempt, 1),
      judge: endsAs('SUCCEEDED'),
      // The former version knows no results that are kept as text, and shows null. Its worker reads them as JavaScript does.
      data: (run, detail) =>
        ranOnFormer(run, detail) || (wasFormerUp(run.acknowledgedAt) && memberOf(detail, 'result') === null)
          ? []
          : sameJson('the result', ODD_JSON[run.variant] ?? '', memberOf(detail, 'result')),
    },
    {
      name: 'odd-params',
      namespace: 'alpha',
      everyMs: 4_000,
      job: { ...shellJob(start, `${giveResult('cat "$JOBTRAIL_PARAMS_FILE"')}; echo "$k 0"; say wrote 1; say stop`), retry: PATIENT },
      input: (_random, number) => ({ params: ODD_JSON[number % ODD_JSON.length] ?? '', mayBeRefused: true }),
      output: (_run, attempt) => plainLines(attempt, 1),
      judge: endsAs('SUCCEEDED'),
      // The former version gives a job an empty object in place of parameters that are kept as text, and keeps no such result.
      data: (run, detail) => {
        const { params, acknowledgedAt } = run
        const result = memberOf(detail, 'result') ?? null
        const isOfFormer = ranOnFormer(run, detail) || (wasFormerUp(acknowledgedAt) && (result === null || canonical(result) === '{}'))
        return [...sameJson('the parameters', params, memberOf(detail, 'params')), ...(isOfFormer ? [] : sameJson('the result', params, result))]
      },
    },
    {
      name: 'hopeless-result',
      namespace: 'alpha',
      everyMs: 12_000,
      job: {
        ...shellJob(
          start,
          `case "$JOBTRAIL_PARAM_VARIANT" in\n${HOPELESS_RESULTS.map(({ make }, i) => `${i}) ${giveResult(make)} ;;`).join('\n')}\nesac\necho "$k 0"; say wrote 1; say stop`,
        ),
        retry: PATIENT,
      },
      input: (_random, number) => ({ params: `{"variant":${number % HOPELESS_RESULTS.length}}`, variant: number % HOPELESS_RESULTS.length }),
      output: (_run, attempt) => plainLines(attempt, 1),
      // The former version says it in other words, or ends such a run otherwise.
      judge: (run, detail) =>
        wasFormerUp(run.acknowledgedAt) || ranOnFormer(run, detail) ? [] : leftOutProblems(detail, HOPELESS_RESULTS[run.variant]?.reason ?? /^$/),
    },
  ]
}
