import { Body, Controller, Get, Headers, HttpCode, Post, Req } from '@nestjs/common'
import type { Request } from 'express'
import { ChangePassword, Login, Me, Session } from '@jobtrail/shared/api/auth'
import { Answers } from '../platform/http/openapi.js'
import { requestIdOf } from '../platform/http/request-context.js'
import { AuthService } from './auth.service.js'
import { bearerOf } from './bearer.js'
import { CurrentPrincipal } from './current-principal.js'
import { Principal } from './principal.js'
import { Public } from './public.js'

@Controller('api/auth')
export class AuthController {
  constructor(private readonly auth: AuthService) {}

  @Post('login')
  @Public()
  @HttpCode(200)
  @Answers(Session)
  login(@Body({ schema: Login }) input: Login, @Req() request: Request): Promise<Session> {
    return this.auth.login(input, request.ip ?? null, requestIdOf(request))
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
