import { Inject, Injectable } from '@nestjs/common'
import { ValidationError } from '@jobtrail/protocol/domain/errors'
import { CONFIG, type Config } from '../config/config.js'
import { keyIdOf, openSecret, sealSecret } from '../platform/sealed-secret.js'

export type Secrets = Record<string, string>

/** Seals secrets before they are stored, and opens them for a run. */
@Injectable()
export class SecretBox {
  constructor(@Inject(CONFIG) private readonly config: Config) {}

  /**
   * Secrets as they are to be stored. What is as it was `before` stays as it is stored; so does what is given anew with the same value, so that nothing has changed.
   * Throws ValidationError when there is no key to seal a new one with.
   */
  seal(jobId: string, secrets: Secrets, before: Secrets = {}): Secrets {
    return map(secrets, (name, value) => {
      const former = Object.hasOwn(before, name) ? before[name] : undefined
      return former !== undefined && (former === value || this.isValueOf(jobId, name, former, value)) ? former : this.sealOne(jobId, name, value)
    })
  }

  /** Throws UnopenableSecretError. */
  open(jobId: string, secrets: Secrets): Secrets {
    return map(secrets, (name, stored) => openSecret(this.config.secretKeys, jobId, name, stored))
  }

  /** The same values, sealed with the current key; undefined: they are so already, or there is no key. Throws UnopenableSecretError. */
  reseal(jobId: string, secrets: Secrets): Secrets | undefined {
    const current = this.config.secretKeys[0]
    if (current === undefined || Object.values(secrets).every((stored) => keyIdOf(stored) === current.id)) return undefined
    return map(this.open(jobId, secrets), (name, value) => sealSecret(current, jobId, name, value))
  }

  private sealOne(jobId: string, name: string, value: string): string {
    const [current] = this.config.secretKeys
    if (current === undefined)
      throw new ValidationError(`secrets.${name}`, 'cannot be kept: the servers have no key to seal secrets with; set JOBTRAIL_SECRET_KEYS on all of them')
    return sealSecret(current, jobId, name, value)
  }

  private isValueOf(jobId: string, name: string, stored: string, value: string): boolean {
    try {
      return keyIdOf(stored) !== undefined && openSecret(this.config.secretKeys, jobId, name, stored) === value
    } catch {
      // Whatever it was, it is replaced by what can be opened.
      return false
    }
  }
}

function map(secrets: Secrets, change: (name: string, value: string) => string): Secrets {
  return Object.fromEntries(Object.entries(secrets).map(([name, value]) => [name, change(name, value)]))
}
