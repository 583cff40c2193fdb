import { readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { z } from 'zod'
import { MAX_USER_JSON_BYTES, MAX_USER_JSON_DEPTH } from '../json/json-text.js'
import * as chunk from '../log/chunk.js'
import { packBody, unpackBody } from '../log/codec.js'
import { LogLoss, MAX_LOSSES } from '../log/losses.js'
import { RunProcessor } from './assignment.js'
import * as protocol from './worker.js'

/** JSON Schema, as far as zod makes it of our messages. */
type Json = Partial<Record<'minimum' | 'maximum' | 'minLength' | 'maxLength' | 'minItems' | 'maxItems', number>> & {
  type?: string | string[]
  format?: string
  pattern?: string
  const?: string
  enum?: string[]
  items?: Json
  properties?: Record<string, Json>
  additionalProperties?: Json | false
  required?: string[]
  anyOf?: Json[]
  oneOf?: Json[]
}

const page = readFileSync(new URL('../../../docs/protocol.md', import.meta.url), 'utf8')
const section = (heading: string): string => page.split(/^#{2,4} /m).find((text) => text.startsWith(`${heading}\n`)) ?? ''
const cells = (row: string): string[] =>
  row
    .split('|')
    .slice(1, -1)
    .map((cell) => cell.trim())
/** The tables of a section, without their rules; the first row is the header. */
const tables = (heading: string): string[][][] =>
  [...section(heading).matchAll(/(?:^\|.*\n)+/gm)].map(([table]) =>
    table
      .trimEnd()
      .split('\n')
      .filter((_, i) => i !== 1)
      .map(cells),
  )

const KEY = ['instanceId', 'task', 'attempt']
const MAX_TIME = 253_402_300_799_999
function bounds(min?: number, max?: number): string {
  const [low, high] = [min, max].map((value) => value?.toLocaleString('en'))
  if (max === undefined || max === Number.MAX_SAFE_INTEGER) return min === undefined || min === Number.MIN_SAFE_INTEGER ? '' : ` ≥ ${low}`
  return min === undefined ? ` ≤ ${high}` : ` ${low}–${high}`
}

/** A type as the page says it. */
function typeOf(schema: Json): string {
  const { type, properties } = schema
  if (schema.anyOf !== undefined) return schema.anyOf.map(typeOf).join(' or ')
  if (Array.isArray(type)) return type.map((each) => typeOf({ ...schema, type: each })).join(' or ')
  if (schema.const !== undefined) return `\`${schema.const}\``
  if (schema.enum !== undefined) return schema.enum.map((value) => `\`${value}\``).join(' ')
  switch (type) {
    case 'null':
      return 'null'
    case 'boolean':
      return 'true or false'
    case 'number':
      return `number${bounds(schema.minimum, schema.maximum)}`
    case 'integer':
      return schema.maximum === MAX_TIME ? 'time' : `int${bounds(schema.minimum, schema.maximum)}`
    case 'string':
      if (schema.format === 'uuid') return 'UUID'
      if (schema.pattern !== undefined) return schema.pattern === '^[0-9a-f]{64}$' ? 'hex' : 'name'
      return `text${bounds(schema.minLength, schema.maxLength)}`
    case 'array':
      return `list${bounds(schema.minItems, schema.maxItems)} of ${typeOf(schema.items ?? {})}`
    case 'object': {
      const values = schema.additionalProperties
      if (properties === undefined) return values === undefined || values === false || values.type === undefined ? 'map' : `map of ${typeOf(values)}`
      const members = Object.keys(properties).join(' ')
      return { 'instanceId task attempt': 'key', 'from to': 'range', 'chunks lines bytes digest losses': 'totals' }[members] ?? 'object'
    }
    case undefined:
    default:
      return schema.oneOf === undefined ? 'any JSON' : 'object'
  }
}

/** Members with their types as the page has them: `?` for what may be left out, the key as one. */
function membersOf({ properties = {}, required = [] }: Json): string[][] {
  const hasKey = KEY.every((name) => name in properties)
  const own = Object.entries(properties).filter(([name]) => !hasKey || !KEY.includes(name))
  return [...(hasKey ? [['*key*', '']] : []), ...own.map(([name, schema]) => [`\`${name}${required.includes(name) ? '' : '?'}\``, typeOf(schema)])]
}

const schemaOf = (schema: z.ZodType, io: 'input' | 'output'): Json => z.toJSONSchema(schema, { io, unrepresentable: 'any' }) as Json

/** What the tables of members describe, by heading, in order: what is sent, then what is answered. A message that is only a list has the table of its items, if any. */
const TABLES: Record<string, { sent?: z.ZodType[]; answered?: z.ZodType[] }> = {
  hello: { sent: [protocol.Hello], answered: [protocol.Welcome] },
  heartbeat: { sent: [protocol.Heartbeat], answered: [protocol.HeartbeatReply] },
  started: { sent: [protocol.Started.shape.attempts.element] },
  progress: { sent: [protocol.Progress.shape.attempts.element] },
  finished: { sent: [protocol.Finished.shape.attempts.element] },
  log: {},
  resume: { answered: [protocol.Resumed.shape.results.element] },
  seal: { sent: [protocol.Seal.shape.streams.element], answered: [protocol.SealReply.shape.results.element] },
  run: { sent: [protocol.Run.shape.attempts.element] },
  cancel: {},
  fenced: {},
  config: { sent: [protocol.Config] },
  Processors: { sent: RunProcessor.options.toReversed() },
  'Chunk header': { sent: [chunk.ChunkHeader] },
  'Totals and losses': { sent: [chunk.StreamTotals, LogLoss] },
}

describe('docs/protocol.md', () => {
  const events = Object.entries({ ...protocol.WORKER_MESSAGES, ...protocol.SERVER_MESSAGES })

  test.each(Object.entries(TABLES))('has the members of what is under %s, with their types and limits', (heading, { sent = [], answered = [] }) => {
    const found = tables(heading).filter(([header]) => header?.[1] === 'type')
    const members = [...sent.map((schema) => schemaOf(schema, 'input')), ...answered.map((schema) => schemaOf(schema, 'output'))].map(membersOf)
    expect(found.map(([, ...rows]) => rows.map((row) => row.slice(0, 2)))).toEqual(members)
  })

  test.each(events)('has %s, the length of its list, and every word of the answer', (event, { request, reply }) => {
    expect(Object.keys(TABLES)).toContain(event)
    for (const [name, { minItems, maxItems }] of Object.entries(schemaOf(request, 'input').properties ?? {}))
      if (minItems !== undefined) expect(section(event)).toMatch(new RegExp(`\\b${name}\\b.*, ${minItems} to ${maxItems}\\b`))
    for (const word of schemaOf(reply, 'output').properties?.['results']?.items?.enum ?? []) expect(section(event)).toContain(`\`${word}\``)
  })

  test('has the limits that no type shows', () => {
    const largestBody = chunk.MAX_CHUNK_BYTES + chunk.MAX_LINE_BYTES + 8 * chunk.MAX_CHUNK_LINES
    expect(unpackBody('br', packBody(Buffer.alloc(largestBody)).data)).toHaveLength(largestBody)
    expect(() => unpackBody('br', packBody(Buffer.alloc(largestBody + 1)).data)).toThrow(RangeError)
    const [[, ...rows] = []] = tables('Limits')
    expect(Object.fromEntries(rows.map(([what = '', value = '']) => [what, Number(value.replace(/\D/g, ''))]))).toEqual({
      'wait for an answer': protocol.ACK_TIMEOUT_MS,
      'one frame': protocol.MAX_FRAME_BYTES,
      'bodies in one `log` message of several chunks': protocol.MAX_LOG_MESSAGE_BYTES,
      '`error`, `killProblem`; more is cut': protocol.MAX_ERROR_LENGTH,
      '`message` of `progress`; more is cut': protocol.MAX_PROGRESS_LENGTH,
      '`problem` of `heartbeat`; more is cut': protocol.MAX_PROBLEM_LENGTH,
      '`signal`; more is cut': protocol.MAX_SIGNAL_LENGTH,
      '`result` and `params`, as compact JSON': MAX_USER_JSON_BYTES,
      'nesting of `result` and `params`': MAX_USER_JSON_DEPTH,
      'losses named in totals; more are summed up': MAX_LOSSES,
      'one line; longer ones are split': chunk.MAX_LINE_BYTES,
      'lines at which a chunk is closed': chunk.MAX_CHUNK_LINES,
      'bytes at which a chunk is closed': chunk.MAX_CHUNK_BYTES,
      'age at which a chunk is closed': chunk.CHUNK_MAX_AGE_MS,
      'the same, for the only open chunk of a worker': chunk.CHUNK_MIN_AGE_MS,
      'the same, for the first line after a quiet time': chunk.CHUNK_FIRST_LINE_MS,
      'body from which on it is worth compressing': chunk.COMPRESS_FROM_BYTES,
      'body after decompression': largestBody,
    })
  })

  test('has every code that a connection or a message is refused with', () => {
    const [[, ...rows] = []] = tables('Error codes')
    expect([...new Set(rows.map(([code = '']) => code.replaceAll('`', '')))].toSorted()).toEqual([...protocol.REFUSAL_CODES].toSorted())
  })

  test('has the flags of lines and the versions', () => {
    expect(
      tables('Body')[0]
        ?.slice(1)
        .map(([name = '', value]) => [name, Number(value)]),
    ).toEqual(Object.entries(chunk.LineFlag))
    expect(page).toContain(`# The worker protocol, version ${protocol.PROTOCOL_VERSION}\n`)
    expect(page).toContain(`Servers speak ${protocol.OLDEST_PROTOCOL_VERSION} and ${protocol.PROTOCOL_VERSION} `)
  })
})
