import { paramVariables } from '@jobtrail/protocol/domain/param-variables'
import { membersOf } from '@jobtrail/protocol/json/json-text'
import type { Assignment } from '@jobtrail/protocol/wire/assignment'
import { ATTEMPT_MARKER } from '../guard/markers.js'
import { NeverStartsError } from './runner.js'

/** Files made for an attempt, told to the process by environment. */
export interface AttemptFiles {
  params: string
  result: string
}

/** The JSON of the params as the user gave them. */
export const paramsTextOf = ({ params, paramsText }: Pick<Assignment, 'params' | 'paramsText'>): string => paramsText ?? JSON.stringify(params)

/** What belongs to the worker's process alone: Jobtrail's settings, Node's, npm's, and what a service manager gives to a service. */
const WORKERS_OWN =
  /^(JOBTRAIL_|NODE_CHANNEL_|npm_)|^(NODE_OPTIONS|NODE_UNIQUE_ID|NODE_V8_COVERAGE|NOTIFY_SOCKET|LISTEN_(PID|FDS|FDNAMES)|WATCHDOG_(PID|USEC)|CREDENTIALS_DIRECTORY|JOURNAL_STREAM|INVOCATION_ID)$/

/**
 * The environment of an attempt's process: the worker's own without what is the worker's alone, then the params, the job's
 * environment, its secrets, and last what identifies the attempt, which nothing may replace.
 */
export function buildEnvironment(
  base: Readonly<Record<string, string | undefined>>,
  assignment: Assignment,
  key: string,
  files: AttemptFiles,
): Record<string, string> {
  const env: Record<string, string> = {}
  for (const [name, value] of Object.entries(base)) if (value !== undefined && !WORKERS_OWN.test(name)) env[name] = value
  Object.assign(env, paramVariables(membersOf(paramsTextOf(assignment))).values)
  if (assignment.processor.kind === 'shell') Object.assign(env, assignment.processor.env)
  const given = { ...env, ...assignment.secrets }
  // Node would refuse it too, with the value in its message.
  const bad = Object.entries(given).find(([, value]) => value.includes('\0'))
  if (bad !== undefined) throw new NeverStartsError(`Could not start: the variable ${bad[0]} holds U+0000, which no process can be given`)
  return {
    ...given,
    JOBTRAIL_INSTANCE_ID: assignment.instanceId,
    JOBTRAIL_TASK: String(assignment.task),
    JOBTRAIL_ATTEMPT_NUMBER: String(assignment.attempt),
    JOBTRAIL_JOB_NAME: assignment.jobName,
    JOBTRAIL_SCHEDULED_FOR: assignment.scheduledFor ?? '',
    JOBTRAIL_PARAMS_FILE: files.params,
    JOBTRAIL_RESULT_FILE: files.result,
    [ATTEMPT_MARKER]: key,
  }
}
