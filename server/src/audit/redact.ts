/** Fields whose values are nobody's business, wherever they stand in the details of an audit record. */
const SECRET_FIELD = /^(password|passwordhash|token|accesstoken|secrets?|hash|authorization)$/i
const MAX_DEPTH = 8
const MAX_BYTES = 64 * 1_024

/** Details fit to be kept: without secrets, and not larger than 64 KiB as JSON. */
export function redact(details: Record<string, unknown>): Record<string, unknown> {
  const clean = Object.fromEntries(Object.entries(details).map(([name, value]) => [name, cleanField(name, value, 1)]))
  const size = Buffer.byteLength(JSON.stringify(clean))
  return size <= MAX_BYTES ? clean : { omitted: `${size} bytes`, fields: Object.keys(clean).slice(0, 100) }
}

function cleanField(name: string, value: unknown, depth: number): unknown {
  return SECRET_FIELD.test(name) && value !== undefined ? '***' : cleanValue(value, depth)
}

function cleanValue(value: unknown, depth: number): unknown {
  if (typeof value !== 'object' || value === null) return value
  if (value instanceof Date) return value.toISOString()
  if (depth >= MAX_DEPTH) return '…'
  if (Array.isArray(value)) return value.map((each) => cleanValue(each, depth + 1))
  return Object.fromEntries(Object.entries(value).map(([name, each]) => [name, cleanField(name, each, depth + 1)]))
}
