import { randomBytes, randomUUID } from 'node:crypto'
import { Inject, Injectable, type OnApplicationBootstrap } from '@nestjs/common'
import { errors, jwtVerify, SignJWT } from 'jose'
import { z } from 'zod'
import { CONFIG, type Config } from '../../config/config.js'
import { Clock } from '../../platform/clock.js'
import { SettingsRepository } from '../settings.repository.js'

const ISSUER = 'jobtrail'
const Claims = z.object({ sub: z.uuid(), jti: z.uuid(), ver: z.int(), exp: z.number() })

/** Tells a device on which a user has signed in from others. It signs nobody in. */
const DEVICE_ISSUER = 'jobtrail-device'
const DEVICE_DAYS = 365
const DeviceClaims = z.object({ sub: z.uuid(), jti: z.uuid() })
export type Device = { userId: string; deviceId: string }

const MAX_KNOWN = 1_000

/** What a session token says: whose it is, which one, and the version of their sessions that it began under. */
export type SessionClaims = { userId: string; sessionId: string; version: number; expiresAt: Date }

/** Signs sessions (JWT, HS256) and reads them. All servers share the secret. */
@Injectable()
export class SessionTokens implements OnApplicationBootstrap {
  private secret: Uint8Array | undefined
  /** Tokens whose signature was found right: a pure function of the token and the secret, and dear. Whether a session goes on is asked at each call. */
  private readonly known = new Map<string, SessionClaims>()

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

  signDevice(userId: string): Promise<string> {
    const nowSeconds = Math.floor(this.clock.now() / 1_000)
    return new SignJWT({})
      .setProtectedHeader({ alg: 'HS256' })
      .setIssuer(DEVICE_ISSUER)
      .setSubject(userId)
      .setJti(randomUUID())
      .setExpirationTime(nowSeconds + DEVICE_DAYS * 86_400)
      .sign(this.key())
  }

  /** undefined: no device that we know. */
  async readDevice(text: string): Promise<Device | undefined> {
    try {
      const { payload } = await jwtVerify(text, this.key(), { algorithms: ['HS256'], issuer: DEVICE_ISSUER, currentDate: this.clock.date() })
      const parsed = DeviceClaims.safeParse(payload)
      return parsed.success ? { userId: parsed.data.sub, deviceId: parsed.data.jti } : undefined
    } catch (error) {
      if (error instanceof errors.JOSEError) return undefined
      throw error
    }
  }

  /** undefined: not a session of ours, or it has run out. */
  async verify(text: string): Promise<SessionClaims | undefined> {
    const claims = this.known.get(text) ?? (await this.read(text))
    return claims === undefined || claims.expiresAt.getTime() <= this.clock.now() ? undefined : claims
  }

  private async read(text: string): Promise<SessionClaims | undefined> {
    try {
      const { payload } = await jwtVerify(text, this.key(), { algorithms: ['HS256'], issuer: ISSUER, currentDate: this.clock.date() })
      const parsed = Claims.safeParse(payload)
      if (!parsed.success) return undefined
      const { sub, jti, ver, exp } = parsed.data
      const claims = { userId: sub, sessionId: jti, version: ver, expiresAt: new Date(exp * 1_000) }
      if (this.known.size >= MAX_KNOWN) this.known.clear()
      this.known.set(text, claims)
      return claims
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
