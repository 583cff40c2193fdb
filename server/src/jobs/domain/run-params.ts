import type { JobDefinition } from '@jobtrail/api/jobs'
import { paramVariables } from '@jobtrail/protocol/domain/param-variables'
import type { FieldError } from '@jobtrail/protocol/domain/errors'
import { memberTexts, readExact, type UserObject } from '@jobtrail/api/exact-json'

/** What the kernel takes as arguments and environment of a process is about 2 MiB; the worker's own environment and the params (64 KiB) have to fit as well. */
const MAX_PROCESS_BYTES = 1_572_864
/** Of one argument or `NAME=value`, with the 0 at its end. */
const MAX_STRING_BYTES = 131_072
const POINTER_BYTES = 8

/** What of params could not reach the process of a job, found before a run burns its attempts on it. `path` is that of the params. */
export function paramsProblem(params: UserObject, processor: JobDefinition['processor'], path = 'params'): FieldError | undefined {
  const read = readExact(params)
  if ('problem' in read) return { path, message: read.problem }
  if (processor.kind !== 'shell') return undefined
  const { values, names, clashes } = paramVariables(memberTexts(params))
  const [clash] = clashes
  if (clash !== undefined) {
    const [name, other] = clash
    return { path: `${path}[${JSON.stringify(name)}]`, message: `would be the same environment variable as ${JSON.stringify(other)}; rename one of them` }
  }
  for (const [variable, value] of Object.entries(values))
    if (value.includes('\0')) {
      const name = JSON.stringify(names.get(variable))
      return { path: `${path}[${name}]`, message: 'must not have the character U+0000: a process gets it as environment variable' }
    }
  return undefined
}

/** The same of the processor and the secrets. */
export function processProblem({ processor, secrets }: Pick<JobDefinition, 'processor' | 'secrets'>): FieldError | undefined {
  if (processor.kind !== 'shell') return undefined
  const { command, args = [], env = {} } = processor
  const texts: [path: string, text: string][] = [
    ...(command === undefined ? [] : [['processor.command', command] as [string, string]]),
    ...args.map((text, i): [string, string] => [`processor.args[${i}]`, text]),
    ...Object.entries(env).map(([name, value]): [string, string] => [`processor.env.${name}`, `${name}=${value}`]),
    ...Object.entries(secrets).map(([name, value]): [string, string] => [`secrets.${name}`, `${name}=${value}`]),
  ]
  let total = 0
  for (const [path, text] of texts) {
    const bytes = Buffer.byteLength(text) + 1
    if (bytes > MAX_STRING_BYTES) return { path, message: `has ${bytes} bytes, the kernel takes ${MAX_STRING_BYTES} at most` }
    total += bytes + POINTER_BYTES
  }
  if (total <= MAX_PROCESS_BYTES) return undefined
  return {
    path: 'processor',
    message: `arguments, environment and secrets have ${total} bytes, a process takes ${MAX_PROCESS_BYTES} at most: put large data into the script or into params`,
  }
}
