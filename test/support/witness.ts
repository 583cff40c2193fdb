import { existsSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { uniqueName } from './factories.js'
import { Gate } from './gate.js'

/** A job's files outside of Jobtrail, by which it tells what really ran. */
export class Witness {
  readonly gate: Gate
  private readonly base: string

  constructor(dir: string) {
    this.base = join(dir, uniqueName('witness'))
    this.gate = new Gate(`${this.base}-gate`)
  }

  /** Shell text at the beginning of a script: says so when another attempt's process runs at this moment. The lock ends with the process, whoever reaps it. */
  get alone(): string {
    return `exec 9>>'${this.base}-lock'; flock -n 9 || echo "$JOBTRAIL_ATTEMPT_NUMBER" >> '${this.base}-overlap'`
  }

  /** Shell text that notes the attempt's number. */
  get sign(): string {
    return `echo "$JOBTRAIL_ATTEMPT_NUMBER" >> '${this.base}-signed'`
  }

  /** Shell text that leaves a process behind which nothing ties to the script, not even its environment: it notes the attempt's number again and again. */
  get stray(): string {
    return `env -i PATH="$PATH" setsid sh -c 'while :; do echo "$1" >> "$0"; sleep 0.05; done' '${this.base}-strays' "$JOBTRAIL_ATTEMPT_NUMBER" > /dev/null 2>&1 9>&- &`
  }

  /** The attempts whose strays noted their number, in the order in which they did. */
  get strays(): number[] {
    return readLines(`${this.base}-strays`).map(Number)
  }

  /** The attempts that signed, in the order in which they did. */
  get signed(): number[] {
    return readLines(`${this.base}-signed`).map(Number)
  }

  /** When the last signature was made, in ms since the epoch. */
  get signedAt(): number {
    return statSync(`${this.base}-signed`).mtimeMs
  }

  /** The attempts that were not alone. */
  get overlapping(): number[] {
    return readLines(`${this.base}-overlap`).map(Number)
  }
}

function readLines(file: string): string[] {
  return existsSync(file) ? readFileSync(file, 'utf8').split('\n').slice(0, -1) : []
}
