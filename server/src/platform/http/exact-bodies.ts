import { isUtf8 } from 'node:buffer'
import { HttpException } from '@nestjs/common'
import { USER_MEMBERS } from '@jobtrail/api/jobs'
import { AppError } from '@jobtrail/protocol/domain/errors'
import { parseExact } from '@jobtrail/api/exact-json'

const JSON_TYPE = /^\s*application\/json\s*(?:;|$)/i
const CHARSET = /;\s*charset\s*=\s*"?([^\s;"]+)/i

export const isJsonType = (contentType: string | undefined): boolean => JSON_TYPE.test(contentType ?? '')

/** The value of a body; undefined: it has none, or is not JSON. JSON of users within it is exact. */
export function parseBody(bytes: Buffer, contentType: string | undefined): unknown {
  if (bytes.length === 0 || !isJsonType(contentType)) return undefined
  const charset = CHARSET.exec(contentType ?? '')?.[1] ?? 'utf-8'
  if (!/^utf-?8$/i.test(charset)) throw new HttpException(`The body must be JSON in UTF-8, not in ${JSON.stringify(charset)}`, 415)
  if (!isUtf8(bytes)) throw new AppError('VALIDATION_FAILED', 'The body must be JSON in UTF-8')
  const text = bytes.toString()
  const body = parseJson(text)
  const holdsUserJson = USER_MEMBERS.some(([member]) => member !== undefined && typeof body === 'object' && body !== null && Object.hasOwn(body, member))
  // Read again only where the parsed value might not be exact.
  return holdsUserJson ? parseExact(text, USER_MEMBERS) : body
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error
    throw new AppError('VALIDATION_FAILED', `The body is not valid JSON: ${error.message}`, { cause: error })
  }
}
