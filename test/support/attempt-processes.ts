import { readdirSync, readFileSync } from 'node:fs'
import { hasCode } from '@jobtrail/deploy/errno'
import { waitFor } from '@jobtrail/deploy/wait'

/** A process that was looked at through /proc (Linux). */
export interface FoundProcess {
  pid: number
  parent: number
  commandLine: string
  environment: readonly string[]
}

/** Every process that can be looked at. One that has ended and was not yet reaped by its parent counts as gone. */
export function listProcesses(): FoundProcess[] {
  return readdirSync('/proc').flatMap((name) => {
    const pid = Number(name)
    if (!Number.isInteger(pid)) return []
    const environment = readProc(pid, 'environ')
    const commandLine = readProc(pid, 'cmdline')
    const stat = readProc(pid, 'stat')
    if (environment === undefined || commandLine === undefined || stat === undefined) return []
    // The name in parentheses may itself hold spaces and parentheses.
    const [state = '', parent = ''] = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
    if (state === 'Z' || state === 'X') return []
    return [{ pid, parent: Number(parent), commandLine: commandLine.replaceAll('\0', ' ').trim(), environment: environment.split('\0') }]
  })
}

/** What runs of an instance, of one attempt or of all: the processes of the job and all that they started. */
export function attemptProcesses(instanceId: string, attempt?: number): FoundProcess[] {
  const marker = `JOBTRAIL_ATTEMPT=${instanceId}_0_`
  return listProcesses().filter(({ environment }) =>
    environment.some((variable) => variable.startsWith(marker) && (attempt === undefined || variable === `${marker}${attempt}`)),
  )
}

/** Waits until nothing of these instances' attempt runs any more. */
export async function waitForNoProcess(instanceIds: readonly string[], attempt: number, timeoutMs = 30_000): Promise<void> {
  await waitFor(() => instanceIds.every((id) => attemptProcesses(id, attempt).length === 0), {
    timeoutMs,
    what: `no process of attempt ${attempt} of ${instanceIds.length} instances is left`,
  })
}

/** Processes vanish while they are looked at. */
function readProc(pid: number, file: string): string | undefined {
  try {
    return readFileSync(`/proc/${pid}/${file}`, 'utf8')
  } catch (error) {
    if (['ENOENT', 'ESRCH', 'EACCES', 'EPERM'].some((code) => hasCode(error, code))) return undefined
    throw error
  }
}
