import { randomBytes, randomUUID } from 'node:crypto'
import { Inject, Injectable, type OnApplicationBootstrap } from '@nestjs/common'
import { errors, jwtVerify, SignJWT } from 'jose'
import { z } from 'zod'
import { CONFIG, type Config } from '../../config/config.js'
import { Clock } from '../../platform/clock.js'
import { SettingsRepository } from '../settings.repository.js'

const ISSUER = 'jobtrail'
const Claims = z.object({ sub: z.uuid(), jti: z.uuid(), ver: z.int(), exp: z.number() })

/** What a session token says: whose it is, which one, and the version of their sessions that it began under. */
export type SessionClaims = { userId: string; sessionId: string; version: number; expiresAt: Date }

/** Signs sessions (JWT, HS256) and reads them. All servers share the secret. */
@Injectable()
export class SessionTokens implements OnApplicationBootstrap {
  private secret: Uint8Array | undefined

  constructor(
    @Inject(CONFIG) private readonly config: Config,
    private readonly settings: SettingsRepository,
    private readonly clock: Clock,
  ) {}

  async onApplicationBootstrap(): Promise<void> {
    const secret = this.config.jwtSecret ?? (await this.settings.agreeOn('jwtSecret', randomBytes(48).toString('base64url')))
    this.secret = new TextEncoder().encode(secret)
  }

  async sign(userId: string, version: number): Promise<{ accessToken: string; expiresAt: Date }> {
    const nowSeconds = Math.floor(this.clock.now() / 1_000)
    const expiresSeconds = nowSeconds + Math.ceil(this.config.sessionMs / 1_000)
    const accessToken = await new SignJWT({ ver: version })
      .setProtectedHeader({ alg: 'HS256' })
      .setIssuer(ISSUER)
      .setSubject(userId)
      .setJti(randomUUID())
      .setIssuedAt(nowSeconds)
      .setExpirationTime(expiresSeconds)
      .sign(this.key())
    return { accessToken, expiresAt: new Date(expiresSeconds * 1_000) }
  }

  /** undefined: not a session of ours, or it has run out. */
  async verify(text: string): Promise<SessionClaims | undefined> {
    try {
      const { payload } = await jwtVerify(text, this.key(), { algorithms: ['HS256'], issuer: ISSUER, currentDate: this.clock.date() })
      const claims = Claims.safeParse(payload)
      if (!claims.success) return undefined
      return { userId: claims.data.sub, sessionId: claims.data.jti, version: claims.data.ver, expiresAt: new Date(claims.data.exp * 1_000) }
    } catch (error) {
      // Whatever is wrong with the token, its bearer is told one thing: sign in.
      if (error instanceof errors.JOSEError) return undefined
      throw error
    }
  }

  private key(): Uint8Array {
    if (this.secret === undefined) throw new Error('Sessions are used before the server has started')
    return this.secret
  }
}
