import { Body, Controller, Get, Headers, HttpCode, Post, Req, Res } from '@nestjs/common'
import type { Request, Response } from 'express'
import { ChangePassword, Login, Me, Session } from '@jobtrail/api/auth'
import { Answers } from '../platform/http/openapi.js'
import { requestIdOf } from '../platform/http/request-context.js'
import { AuthService } from './auth.service.js'
import { bearerOf } from './bearer.js'
import { CurrentPrincipal } from '../rights/current-principal.js'
import { Principal } from '../rights/principal.js'
import { Public } from './public.js'

/** Tells a device that its user knows from a stranger's: it signs nobody in. */
const DEVICE_COOKIE = 'jobtrail_device'
const DEVICE_MS = 365 * 86_400_000

const deviceOf = (cookies: string | undefined): string | undefined => /(?:^|;\s*)jobtrail_device=([\w.-]{1,2000})(?:;|$)/.exec(cookies ?? '')?.[1]

@Controller('api/auth')
export class AuthController {
  constructor(private readonly auth: AuthService) {}

  @Post('login')
  @Public()
  @HttpCode(200)
  @Answers(Session)
  async login(@Body({ schema: Login }) input: Login, @Req() request: Request, @Res({ passthrough: true }) response: Response): Promise<Session> {
    const from = { ip: request.ip ?? null, requestId: requestIdOf(request), device: deviceOf(request.headers.cookie) }
    const { session, device } = await this.auth.login(input, from)
    // Only for this call, and out of reach of scripts.
    if (device !== undefined)
      response.cookie(DEVICE_COOKIE, device, { path: '/api/auth/login', httpOnly: true, sameSite: 'strict', secure: request.secure, maxAge: DEVICE_MS })
    return session
  }

  @Get('me')
  @Answers(Me)
  me(@CurrentPrincipal() principal: Principal): Me {
    const { kind, name, grants } = principal
    return { kind, name, grants }
  }

  /** Changes the caller's own password. It ends all of their sessions: the answer is the one to go on with. */
  @Post('password')
  @HttpCode(200)
  @Answers(Session)
  changePassword(@CurrentPrincipal() principal: Principal, @Body({ schema: ChangePassword }) input: ChangePassword): Promise<Session> {
    return this.auth.changePassword(principal, input)
  }

  /** Ends the session that it is called with. */
  @Post('logout')
  @HttpCode(204)
  logout(@CurrentPrincipal() principal: Principal, @Headers('authorization') authorization: string): Promise<void> {
    return this.auth.logout(principal, bearerOf(authorization) ?? '')
  }
}
