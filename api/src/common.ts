import { z } from 'zod'
import { ExactJson, type UserObject as UserObjectType } from './exact-json.js'

/** A name used in URLs, keys and routes. */
export const Name = z
  .string()
  .regex(/^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$/, 'must be letters, digits, dot, dash or underscore, start with a letter or digit, and have at most 63 characters')
export const NamespaceName = Name.describe('Name of a namespace')
export const Id = z.uuid()
/** ISO 8601 in UTC with milliseconds, as answers carry it. */
export const Timestamp = z.iso.datetime({ precision: 3 })
/** ISO 8601 with any offset, as requests may carry it. */
export const InputTime = z.iso.datetime({ offset: true })
export const DurationMs = z
  .int()
  .min(0)
  .max(366 * 24 * 3_600_000)
/** Query parameters are text: `limit=50`. */
export const Limit = z.coerce.number().int().min(1).max(1_000)
export const Cursor = z.string().min(1).max(500)
export const QueryFlag = z.enum(['true', 'false']).transform((value) => value === 'true')

/** A JSON object of a user, such as params; exact where a value would not be. */
export const UserObject = z
  .custom<UserObjectType>((value) => value instanceof ExactJson || (typeof value === 'object' && value !== null && !Array.isArray(value)), 'must be an object')
  .refine((value) => !(value instanceof ExactJson) || value.text.startsWith('{'), 'must be an object')
  .meta({ type: 'object', additionalProperties: true })

/** One page of a list; `next` is the cursor of the following page, null on the last. */
export const pageOf = <T extends z.ZodType>(item: T) => z.object({ items: z.array(item), next: z.string().nullable() })

/** RFC 9457 problem details, as every error answer has them (application/problem+json). */
export const Problem = z.object({
  type: z.string(),
  title: z.string(),
  status: z.int(),
  code: z.string(),
  detail: z.string(),
  instance: z.string().optional(),
  requestId: z.string().optional(),
  errors: z.array(z.object({ path: z.string(), message: z.string() })).optional(),
  current: z.unknown().optional(),
})
export type Problem = z.infer<typeof Problem>
