import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto'
import type { SecretKeys } from '../config/config.js'

const CIPHER = 'aes-256-gcm'
const IV_BYTES = 12
const TAG_BYTES = 16
const SEALED = /^sealed:v1:([a-zA-Z0-9_-]{1,32}):([A-Za-z0-9+/]+={0,2})$/

/** A sealed secret cannot be opened; the message says what to do. */
export class UnopenableSecretError extends Error {
  override name = 'UnopenableSecretError'
}

/** What a secret is bound to: moved to another job, or to another name, it cannot be opened. */
const boundTo = (jobId: string, name: string): Buffer => Buffer.from(JSON.stringify([jobId, name]))

/** The ID of the key that a stored value is sealed with; undefined: it is plain. */
export const keyIdOf = (stored: string): string | undefined => SEALED.exec(stored)?.[1]

export function sealSecret({ id, key }: SecretKeys[number], jobId: string, name: string, value: string): string {
  const iv = randomBytes(IV_BYTES)
  const cipher = createCipheriv(CIPHER, key, iv, { authTagLength: TAG_BYTES })
  cipher.setAAD(boundTo(jobId, name))
  const sealed = Buffer.concat([iv, cipher.update(value, 'utf8'), cipher.final(), cipher.getAuthTag()])
  return `sealed:v1:${id}:${sealed.toString('base64')}`
}

/** The value of a stored secret; a plain one, of a version that sealed none, is its own. Throws {@link UnopenableSecretError}. */
export function openSecret(keys: SecretKeys, jobId: string, name: string, stored: string): string {
  const [, keyId, text] = SEALED.exec(stored) ?? []
  if (keyId === undefined || text === undefined) return stored
  const key = keys.find(({ id }) => id === keyId)?.key
  if (key === undefined)
    throw new UnopenableSecretError(`secret ${name} is sealed with the key "${keyId}", which JOBTRAIL_SECRET_KEYS of this server does not name: add it there`)
  const sealed = Buffer.from(text, 'base64')
  try {
    const decipher = createDecipheriv(CIPHER, key, sealed.subarray(0, IV_BYTES), { authTagLength: TAG_BYTES })
    decipher.setAAD(boundTo(jobId, name))
    decipher.setAuthTag(sealed.subarray(-TAG_BYTES))
    return decipher.update(sealed.subarray(IV_BYTES, -TAG_BYTES), undefined, 'utf8') + decipher.final('utf8')
  } catch (cause) {
    throw new UnopenableSecretError(
      `secret ${name} cannot be opened with the key "${keyId}" that JOBTRAIL_SECRET_KEYS of this server has: give it the value that this key has on the other servers, or set the secret anew`,
      { cause },
    )
  }
}
