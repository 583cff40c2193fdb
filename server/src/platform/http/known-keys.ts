import { z } from 'zod'

/** Names of the fields that a schema takes at a path of a value, for the message about one that it does not take; empty where it cannot be said. */
export function knownKeys(schema: z.core.$ZodType, path: readonly PropertyKey[], value: unknown): string[] {
  const here = resolve(schema, value)
  const [step, ...rest] = path
  if (step === undefined) return here instanceof z.ZodObject ? Object.keys(here.shape) : []
  const inner = member(here, step)
  return inner === undefined ? [] : knownKeys(inner, rest, read(value, step))
}

/** Looks through defaults and the like, and picks the case of a discriminated union that the value chose. */
function resolve(schema: z.core.$ZodType, value: unknown): z.core.$ZodType {
  if (schema instanceof z.ZodOptional || schema instanceof z.ZodNullable || schema instanceof z.ZodDefault || schema instanceof z.ZodPrefault)
    return resolve(schema.def.innerType, value)
  if (schema instanceof z.ZodPipe) return resolve(schema.def.in, value)
  if (schema instanceof z.ZodDiscriminatedUnion) {
    const { discriminator, options } = schema.def
    const chosen = options.map((option) => resolve(option, value)).find((option) => chooses(option, discriminator, value))
    if (chosen !== undefined) return chosen
  }
  return schema
}

function chooses(option: z.core.$ZodType, discriminator: string, value: unknown): boolean {
  if (!(option instanceof z.ZodObject)) return false
  const marker: unknown = option.shape[discriminator]
  return marker instanceof z.ZodLiteral && marker.values.has(read(value, discriminator) as z.core.util.Literal)
}

function member(schema: z.core.$ZodType, step: PropertyKey): z.core.$ZodType | undefined {
  if (schema instanceof z.ZodObject) return schema.shape[String(step)] as z.core.$ZodType | undefined
  if (schema instanceof z.ZodArray) return schema.def.element
  if (schema instanceof z.ZodRecord) return schema.def.valueType
  return undefined
}

function read(value: unknown, step: PropertyKey): unknown {
  return typeof value === 'object' && value !== null ? (value as Record<PropertyKey, unknown>)[step] : undefined
}
