import type { z } from 'zod'

/** Messages by field, in the form that the server's problem details use: `trigger.expression`, `tags[2]`, `env["a b"]`. */
export type FieldErrors = Readonly<Record<string, string>>

export function pathText(path: readonly PropertyKey[]): string {
  return path.reduce<string>((text, part) => {
    if (typeof part === 'number') return `${text}[${part}]`
    const name = String(part)
    if (!/^[\p{L}\p{N}_$-]+$/u.test(name)) return `${text}[${JSON.stringify(name)}]`
    return text === '' ? name : `${text}.${name}`
  }, '')
}

/** Of several messages for a field the first is shown. */
export function errorsOfIssues(issues: readonly z.core.$ZodIssue[]): FieldErrors {
  return firstOfEach(
    issues.flatMap((issue) =>
      issue.code === 'unrecognized_keys'
        ? issue.keys.map((key) => ({ path: pathText([...issue.path, key]), message: 'unknown field' }))
        : [{ path: pathText(issue.path), message: issue.message }],
    ),
  )
}

export function errorsOfProblem(errors: readonly { path: string; message: string }[] | undefined): FieldErrors {
  return firstOfEach(errors ?? [])
}

/** The message of a field, or of anything inside it: `tags` shows what is wrong with `tags[2]`. */
export function errorAt(errors: FieldErrors, path: string): string | undefined {
  const own = errors[path]
  if (own !== undefined) return own
  const inside = Object.entries(errors).find(([each]) => each.startsWith(`${path}.`) || each.startsWith(`${path}[`))
  return inside === undefined ? undefined : `${inside[0].slice(path.length).replace(/^\./, '')}: ${inside[1]}`
}

/** Without what was said of a field that has been changed since. */
export function withoutErrorsAt(errors: FieldErrors, path: string): FieldErrors {
  const rest = Object.entries(errors).filter(([each]) => each !== path && !each.startsWith(`${path}.`) && !each.startsWith(`${path}[`))
  return rest.length === Object.keys(errors).length ? errors : Object.fromEntries(rest)
}

function firstOfEach(errors: readonly { path: string; message: string }[]): FieldErrors {
  const all: Record<string, string> = {}
  for (const { path, message } of errors) all[path] ??= message
  return all
}
