import { type CanActivate, type ExecutionContext, Injectable } from '@nestjs/common'
import { Reflector } from '@nestjs/core'
import type { Request } from 'express'
import { AppError } from '@jobtrail/protocol/domain/errors'
import { requestIdOf } from '../platform/http/request-context.js'
import { AuthService } from './auth.service.js'
import { bearerOf } from './bearer.js'
import { setPrincipal } from '../rights/current-principal.js'
import { PUBLIC } from './public.js'

/** Global: every route needs `Authorization: Bearer` unless it is `@Public()`. What the caller may do there is for the services to say. */
@Injectable()
export class AuthGuard implements CanActivate {
  constructor(
    private readonly reflector: Reflector,
    private readonly auth: AuthService,
  ) {}

  async canActivate(context: ExecutionContext): Promise<boolean> {
    // Sockets are authenticated by their gateways, once for each connection.
    if (context.getType() !== 'http') return true
    if (this.reflector.getAllAndOverride<boolean | undefined>(PUBLIC, [context.getHandler(), context.getClass()]) === true) return true
    const request = context.switchToHttp().getRequest<Request>()
    const bearer = bearerOf(request.headers.authorization)
    if (bearer === undefined) throw new AppError('UNAUTHENTICATED', 'This needs Authorization: Bearer with a session or an API token')
    const principal = await this.auth.authenticate(bearer, request.ip ?? null, requestIdOf(request))
    if (principal === undefined) throw new AppError('UNAUTHENTICATED', 'The session or API token is not valid (any more)')
    setPrincipal(request, principal)
    return true
  }
}
