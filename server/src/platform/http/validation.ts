import { type ArgumentMetadata, StandardSchemaValidationPipe } from '@nestjs/common'
import { z } from 'zod'
import { AppError, type FieldError } from '@jobtrail/protocol/domain/errors'
import { knownKeys } from './known-keys.js'
import { oddTextsOf } from './odd-text.js'

/** Faults that one answer names; the rest are counted. */
const MAX_FAULTS = 50

/**
 * The global pipe: checks what `@Body({ schema })`, `@Query({ schema })` and `@Param(name, { schema })` take and passes on what the schema made of it.
 * An absent body counts as `{}`, so that required fields are named one by one and calls without any need none.
 */
export class RequestValidationPipe extends StandardSchemaValidationPipe {
  override async transform<T>(value: T, metadata: ArgumentMetadata): Promise<T> {
    const { schema } = metadata
    if (!(schema instanceof z.ZodType) || metadata.type === 'custom') return value
    const input: unknown = metadata.type === 'body' && value === undefined ? {} : value
    const odd = oddTextsOf(input, metadata.data === undefined ? [] : [metadata.data])
    if (odd.length > 0) throw faultsError(odd.map(({ path, message }) => ({ path: pathText(path), message })))
    const result = await schema.safeParseAsync(input)
    if (result.success) return result.data as T
    throw validationFailed(result.error.issues, { schema, input, root: metadata.data })
  }
}

const TYPE_TEXT: Readonly<Record<string, string>> = {
  string: 'a text',
  number: 'a number',
  int: 'a whole number',
  boolean: 'true or false',
  object: 'an object',
  record: 'an object',
  array: 'a list',
}

type Source = { schema: z.ZodType; input: unknown; root?: string | undefined }

/** An AppError that names each field at fault with what would be right; unknown fields one by one, with those that are known. `root`: name of the parameter that is the whole value. */
export function validationFailed(issues: readonly z.core.$ZodIssue[], source: Source): AppError {
  return faultsError(issues.flatMap((issue) => faultsOf(issue, source)))
}

function faultsError(all: FieldError[]): AppError {
  const fields = all.slice(0, MAX_FAULTS)
  const more = all.length > fields.length ? ` (and ${all.length - fields.length} more)` : ''
  const summary =
    fields.length === 1 ? fields.map(({ path, message }) => (path === '' ? message : `${path}: ${message}`)).join('') : `${all.length} fields are wrong`
  return new AppError('VALIDATION_FAILED', `${summary}${more}`, { fields })
}

function faultsOf(issue: z.core.$ZodIssue, source: Source): FieldError[] {
  const path = source.root === undefined ? issue.path : [source.root, ...issue.path]
  if (issue.code !== 'unrecognized_keys') return [{ path: pathText(path), message: messageOf(issue) }]
  const known = knownKeys(source.schema, issue.path, source.input)
  const hint = known.length === 0 ? 'no field is taken here' : `known here: ${known.join(', ')}`
  return issue.keys.map((key) => ({ path: pathText([...path, key]), message: `unknown field; ${hint}` }))
}

function messageOf(issue: z.core.$ZodIssue): string {
  switch (issue.code) {
    case 'invalid_type':
      return issue.message.endsWith('received undefined') ? `is required (${issue.expected})` : `must be ${TYPE_TEXT[issue.expected] ?? issue.expected}`
    case 'invalid_value':
      return `must be one of ${issue.values.map(String).join(', ')}`
    case 'invalid_union':
      return 'options' in issue && Array.isArray(issue.options) ? `must be one of ${issue.options.join(', ')}` : issue.message
    case 'invalid_key':
      return `is not a possible name: ${issue.issues.map((each) => each.message).join('; ')}`
    case 'custom':
    case 'invalid_element':
    case 'invalid_format':
    case 'not_multiple_of':
    case 'too_big':
    case 'too_small':
    case 'unrecognized_keys':
      return issue.message
  }
}

/** `trigger.expression`, `tags[2]`, `env["a b"]`. */
function pathText(path: readonly PropertyKey[]): string {
  return path.reduce<string>((text, part) => {
    if (typeof part === 'number') return `${text}[${part}]`
    const name = String(part)
    if (!/^[\p{L}\p{N}_$-]+$/u.test(name)) return `${text}[${JSON.stringify(name.slice(0, 100))}]`
    return text === '' ? name : `${text}.${name}`
  }, '')
}
