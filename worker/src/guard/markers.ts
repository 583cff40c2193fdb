import { createHash } from 'node:crypto'
import { readProc } from './processes.js'

/** Environment variable that every process of an attempt inherits; its value is the attempt's key string. */
export const ATTEMPT_MARKER = 'JOBTRAIL_ATTEMPT'

/**
 * The second marker, for processes that clear their environment (`env -i setsid …`): a soft limit of "file locks" of a value that only this attempt has. The
 * limit has had no effect since Linux 2.4.25, but every process inherits it, over fork, exec, setsid and a change of user, and every user may read it.
 */
export const limitMarkerOf = (key: string): string => String(2 ** 40 + createHash('sha256').update(key).digest().readUIntBE(0, 6))

/** Sets the second marker, given as `$1` (dash, busybox: -w; bash, ksh, zsh: -x). */
export const LIMIT_COMMAND = `{ ulimit -S -w "$1" || ulimit -S -x "$1"; } 2> /dev/null`

/**
 * Runs in the process before it becomes the command: sets the second marker, waits until the worker says on descriptor 3
 * that it is ready to look after it, and ends if the worker dies before.
 */
const PRELUDE = `${LIMIT_COMMAND}; IFS= read -r JOBTRAIL_GATE <&3 || exit 125; exec 3<&-; unset JOBTRAIL_GATE; shift; exec "$@"`

/** The command that starts this one, marked. The process ID is the command's from the start. */
export function markedCommand(key: string, file: string, args: readonly string[]): { file: string; args: readonly string[] } {
  return { file: '/bin/sh', args: ['-c', PRELUDE, 'jobtrail', limitMarkerOf(key), file, ...args] }
}

/** The key of the attempt among `keys` whose marker a process carries. */
export class MarkerReader {
  private readonly keyByLimit: Map<string, string>

  constructor(private readonly keys: ReadonlySet<string>) {
    this.keyByLimit = new Map([...keys].map((key) => [limitMarkerOf(key), key]))
  }

  keyOf(pid: number): string | undefined {
    const limit = /^Max file locks +(\d+) /m.exec(readProc(pid, 'limits') ?? '')?.[1]
    const byLimit = limit === undefined ? undefined : this.keyByLimit.get(limit)
    if (byLimit !== undefined) return byLimit
    const environment = readProc(pid, 'environ') ?? ''
    const at = `\0${environment}`.indexOf(`\0${ATTEMPT_MARKER}=`)
    if (at < 0) return undefined
    const key = environment.slice(at + ATTEMPT_MARKER.length + 1).split('\0', 1)[0] ?? ''
    return this.keys.has(key) ? key : undefined
  }
}
