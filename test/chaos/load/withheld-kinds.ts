import { createHash } from 'node:crypto'
import { listOf, memberOf, numberOf, textOf } from '../oracle/json.js'
import { limited, limitProblems } from '../oracle/log-lines.js'
import { endsAs, type RanOnFormer, sameJson } from './judging.js'
import type { JobKind } from './kind.js'
import { countedLines, countLines, giveResult, ON_PRESENT_WORKERS, PATIENT, prelude, shellJob } from './scripts.js'

const LINES = 1_000
const LINE_LIMIT = 300
const BYTE_LIMIT = 9_000

/** What a log must not hold: secrets, and what is beyond its limit. `secret`: of a length that base64 needs no filling for. */
export function withheldKinds(witness: string, secret: string, wasFormerUp: (since: number) => boolean, ranOnFormer: RanOnFormer): JobKind[] {
  const start = prelude(witness)
  const digest = createHash('sha256').update(secret).digest('hex')
  const limitedKind = (name: string, log: { maxLines?: number; maxBytes?: number }): JobKind => ({
    name,
    namespace: 'alpha',
    everyMs: 6_000,
    job: { ...shellJob(start, `${countLines({ lines: String(LINES), burst: 100, pauseSeconds: 0.05 })}; say stop`), retry: PATIENT, log },
    output: (_run, attempt) => countedLines(attempt, LINES),
    judge(run, detail) {
      const problems = endsAs('SUCCEEDED')(run, detail)
      // The former version names no losses.
      if (problems.length > 0 || wasFormerUp(run.acknowledgedAt) || ranOnFormer(run, detail)) return problems
      const last = memberOf(detail, 'attempts', -1)
      const { line } = countedLines(numberOf(last, 'attempt'), LINES)
      const sizes = Array.from({ length: LINES }, (_, i) => Buffer.byteLength(line(i)) + 1)
      const losses = listOf(last, 'log', 'losses').map((loss) => ({
        reason: textOf(loss, 'reason'),
        at: numberOf(loss, 'at'),
        lines: numberOf(loss, 'lines'),
        bytes: numberOf(loss, 'bytes'),
      }))
      return limitProblems(textOf(last, 'log', 'state'), losses, limited(sizes, log))
    },
  })
  return [
    limitedKind('line-limit', { maxLines: LINE_LIMIT }),
    limitedKind('byte-limit', { maxBytes: BYTE_LIMIT }),
    {
      name: 'secret',
      namespace: 'alpha',
      everyMs: 3_000,
      job: {
        // It knows its secret by the digest. A server of the former version hands out what is stored, which is sealed.
        ...shellJob(
          start,
          `s=$CHAOS_SECRET
if [ "$(printf %s "$s" | sha256sum)" = '${digest}  -' ]; then e=$(printf %s "$s" | base64 -w0); h=$(printf %s "$s" | od -An -v -tx1 | tr -d ' \n')
else case "$s" in sealed:*) say sealed ;; *) say wrong-secret ;; esac; e=$s; h=$s; fi
${giveResult(`printf '{"secret":"%s","coded":["%s","%s"]}' "$s" "$e" "$h"`)}
echo "$k 0 $s"; echo "$k 1 $e"; echo "$k 2 $h"; say wrote 3; say stop`,
        ),
        secrets: { CHAOS_SECRET: secret },
        retry: PATIENT,
        // A former worker masks a secret only as it is.
        ...ON_PRESENT_WORKERS,
      },
      output: (_run, attempt) => maskedLines(attempt),
      judge: (run, detail, lines) => [
        ...endsAs('SUCCEEDED')(run, detail),
        ...lines
          .filter(({ event }) => event === 'wrong-secret' || (event === 'sealed' && !wasFormerUp(run.acknowledgedAt)))
          .map(({ attempt, event }) => `attempt ${attempt} was not given its secret (${event})`),
      ],
      data: (_run, detail) => sameJson('the result', '{"secret":"***","coded":["***","***"]}', memberOf(detail, 'result')),
    },
  ]
}

function maskedLines(attempt: number): ReturnType<typeof countedLines> {
  const all = [0, 1, 2].map((i) => `${attempt} ${i} ***`)
  return { count: all.length, line: (i) => all[i] ?? '', indexOf: (text) => (all.includes(text) ? all.indexOf(text) : undefined) }
}
