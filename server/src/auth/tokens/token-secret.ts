import { createHash, randomBytes, timingSafeEqual } from 'node:crypto'
import { parse as uuidBytes, stringify as uuidText } from 'uuid'

/** `jt_`: API tokens; `jtw_`: worker tokens. */
export type TokenPrefix = 'jt_' | 'jtw_'

const ID_BYTES = 16
const SECRET_BYTES = 32
const BODY = /^[A-Za-z0-9_-]{64}$/

export type TokenParts = { id: string; secret: Buffer }

/** A new token for a document's ID (a UUID): its text, shown once, and the hash to be stored. */
export function makeToken(prefix: TokenPrefix, id: string): { text: string; hash: Buffer } {
  const secret = randomBytes(SECRET_BYTES)
  return { text: prefix + Buffer.concat([uuidBytes(id), secret]).toString('base64url'), hash: hashOf(secret) }
}

/** undefined: not a token of this kind. */
export function parseToken(prefix: TokenPrefix, text: string): TokenParts | undefined {
  const body = text.slice(prefix.length)
  if (!text.startsWith(prefix) || !BODY.test(body)) return undefined
  const bytes = Buffer.from(body, 'base64url')
  try {
    return { id: uuidText(bytes.subarray(0, ID_BYTES)), secret: bytes.subarray(ID_BYTES) }
  } catch {
    // The first bytes are no UUID, so we did not make this one.
    return undefined
  }
}

/** 256 random bits need no slow hash. */
export const isSecret = (secret: Buffer, hash: Uint8Array): boolean => hash.length === 32 && timingSafeEqual(hashOf(secret), hash)

const hashOf = (secret: Buffer): Buffer => createHash('sha256').update(secret).digest()
