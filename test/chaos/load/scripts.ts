import { PRESENT_TAG } from '../cluster/program.js'
import type { ExpectedOutput } from '../oracle/log-lines.js'

/** What no job needs to survive: so many attempts are lost that a bound would end runs that could go on. */
export const PATIENT = { maxRetries: 100, backoffMs: 200, factor: 1, maxBackoffMs: 200 } as const

/** For jobs that a worker of the former version would do wrong in a way that cannot be told apart from a fault of this one. */
export const ON_PRESENT_WORKERS = { routing: { tags: [PRESENT_TAG] } }

/**
 * The beginning of every script. `$w` is the file of the run, to which all of its processes append, `say` appends a line to it. The lock shows whether another
 * attempt's process is alive, whatever it does; the kernel gives it back when the last process that inherited it is gone.
 */
export function prelude(witnessDir: string): string {
  return `w='${witnessDir}/'"$JOBTRAIL_INSTANCE_ID"; k=$JOBTRAIL_ATTEMPT_NUMBER
exec 9>> "$w"
say() { read -r up rest < /proc/uptime; echo "$1 $k $$ $up $2" >&9; }
flock -n 9 || say overlap
say start "$JOBTRAIL_SCHEDULED_FOR"`
}

/** A job that runs a script behind the {@link prelude}. One whose result does not fit on a full disk has to fail: then it is made again. */
export function shellJob(start: string, script: string): Record<string, unknown> {
  return { processor: { kind: 'shell', script: `${start}\n${script}\n` } }
}

/** Gives what a command prints as the result. A full disk ends the job, without a line of its tools in the log. */
export const giveResult = (command: string): string => `{ { ${command}; } > "$JOBTRAIL_RESULT_FILE"; } 2>/dev/null || exit 9`

/** The output of {@link plainLines} with three lines. */
export const THREE_LINES = 'echo "$k 0"; echo "$k 1"; echo "$k 2"; say wrote 3; say stop'

/** Writes `n` lines in bursts, and says in the run's file how many it has handed to the pipe. */
export function countLines(options: { lines: string; burst: number; pauseSeconds: number }): string {
  const { lines, burst, pauseSeconds } = options
  return `awk -v k="$k" -v n="${lines}" -v burst=${burst} -v pause=${pauseSeconds} -v w="$w" -v pid=$$ 'BEGIN {
  pad = "${PAD}"
  for (i = 0; i < n; i++) {
    print k " " i " " substr(pad, 1, (i * 7919) % 97) (i % 10 == 0 ? " ${TAIL}" : "")
    if ((i + 1) % burst == 0 || i == n - 1) { fflush(); print "wrote", k, pid, 0, i + 1 >> w; fflush(w); if (pause > 0) system("sleep " pause) }
  }
}'`
}

const PAD = 'the quick brown fox jumps over the lazy dog, '.repeat(3).slice(0, 97)
const TAIL = 'é→✓😀'

/** What {@link countLines} makes. */
export function countedLines(attempt: number, count: number): ExpectedOutput {
  const line = (i: number): string => `${attempt} ${i} ${PAD.slice(0, (i * 7_919) % 97)}${i % 10 === 0 ? ` ${TAIL}` : ''}`
  return { count, line, indexOf: (text) => indexIn(text, count, line) }
}

/** Lines of a script that writes few. */
export function plainLines(attempt: number, count: number): ExpectedOutput {
  const line = (i: number): string => `${attempt} ${i}`
  return { count, line, indexOf: (text) => indexIn(text, count, line) }
}

function indexIn(text: string, count: number, line: (i: number) => string): number | undefined {
  const i = Number(/^\d+ (\d+)/.exec(text)?.[1])
  return i < count && text === line(i) ? i : undefined
}
