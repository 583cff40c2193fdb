import { setTimeout as sleep } from 'node:timers/promises'
import { endsAs, starts } from './judging.js'
import type { JobKind } from './kind.js'
import { ON_PRESENT_WORKERS, PATIENT, plainLines, prelude, shellJob, THREE_LINES } from './scripts.js'

const ONE_LINE = 'echo "$k 0"; say wrote 1'

/** What fails, waits, is cancelled, runs out of time or is retried. */
export function failingKinds(witness: string): JobKind[] {
  const start = prelude(witness)
  return [
    {
      name: 'flaky',
      namespace: 'alpha',
      everyMs: 4_000,
      job: { ...shellJob(start, `${ONE_LINE}; [ "$(grep -c '^start' "$w")" -ge 3 ] || exit 7; say stop`), retry: PATIENT },
      output: (_run, attempt) => plainLines(attempt, 1),
      judge: (run, detail, lines) => [
        ...endsAs('SUCCEEDED')(run, detail),
        ...(starts(lines) < 3 ? [`succeeded with its start ${starts(lines)}, although its first two fail`] : []),
      ],
    },
    {
      name: 'fails-for-good',
      namespace: 'alpha',
      everyMs: 9_000,
      job: { ...shellJob(start, `${ONE_LINE}; exit 7`), retry: { ...PATIENT, maxRetries: 2 } },
      output: (_run, attempt) => plainLines(attempt, 1),
      judge: endsAs('FAILED'),
    },
    {
      name: 'retried-by-user',
      namespace: 'alpha',
      everyMs: 9_000,
      job: { ...shellJob(start, `${ONE_LINE}; [ "$(grep -c '^start' "$w")" -ge 2 ] || exit 7; say stop`), retry: { maxRetries: 0 } },
      output: (_run, attempt) => plainLines(attempt, 1),
      async meddle(run, user) {
        for (;;) {
          const status = await user.waitForEnd(run)
          if (status === undefined || status === 'SUCCEEDED') return
          // Before it is asked for: whoever looks meanwhile may see it already.
          run.retries++
          await user.post(`/api/instances/${run.id}/retry`)
        }
      },
      judge: endsAs('SUCCEEDED'),
    },
    {
      name: 'timed-out',
      namespace: 'alpha',
      everyMs: 8_000,
      // What it leaves in a session of its own, away from its output, goes on as long as anyone lets it.
      job: {
        ...shellJob(
          start,
          `trap '' TERM; ${ONE_LINE}
(W="$w" K="$k" setsid sh -c 'while :; do read -r up rest < /proc/uptime; echo "tick $K $$ $up" >> "$W"; sleep 0.3; done' > /dev/null 2>&1 < /dev/null 9>&- &)
while :; do say tick; sleep 0.3; done`,
        ),
        timeoutMs: 1_500,
        killGraceMs: 300,
        retry: { ...PATIENT, maxRetries: 2 },
        // A former worker does not end what has a session of its own.
        ...ON_PRESENT_WORKERS,
      },
      output: (_run, attempt) => plainLines(attempt, 1),
      judge: endsAs('TIMED_OUT', 'FAILED'),
    },
    {
      name: 'limited',
      namespace: 'alpha',
      everyMs: 1_500,
      job: {
        ...shellJob(
          start,
          `{ exec 7>> '${witness}/slot-1'; flock -n 7; } || { exec 8>> '${witness}/slot-2'; flock -n 8; } || say crowded\nsleep 0.5; ${THREE_LINES}`,
        ),
        retry: PATIENT,
        maxConcurrent: 2,
      },
      output: (_run, attempt) => plainLines(attempt, 3),
      judge: endsAs('SUCCEEDED'),
    },
    {
      name: 'cancelled',
      namespace: 'alpha',
      everyMs: 5_000,
      job: { ...shellJob(start, `${ONE_LINE}; while :; do say tick; sleep 0.3; done`), retry: PATIENT, killGraceMs: 500 },
      output: (_run, attempt) => plainLines(attempt, 1),
      async meddle(run, user) {
        await sleep(user.random.between(0, 5_000))
        await user.post(`/api/instances/${run.id}/cancel`)
      },
      judge: endsAs('CANCELLED'),
    },
    {
      name: 'never-retried',
      namespace: 'alpha',
      everyMs: 5_000,
      job: { ...shellJob(start, `sleep 0.5; ${THREE_LINES}`), retry: { maxRetries: 0 } },
      output: (_run, attempt) => plainLines(attempt, 3),
      judge: (run, detail, lines) => [
        ...endsAs('SUCCEEDED', 'FAILED')(run, detail),
        ...(starts(lines) > 1 ? [`was started ${starts(lines)} times, although it is never to be retried`] : []),
      ],
    },
  ]
}
