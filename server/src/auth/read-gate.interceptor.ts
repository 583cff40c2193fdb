import { type CallHandler, type ExecutionContext, Injectable, type NestInterceptor, SetMetadata } from '@nestjs/common'
import { Reflector } from '@nestjs/core'
import { finalize, from, mergeMap, type Observable } from 'rxjs'
import type { Reply, Request } from '../platform/http/requests.js'
import { READ_CONNECTIONS } from '../platform/mongo.js'
import { UserGate } from '../platform/user-gate.js'
import { principalOf } from '../rights/current-principal.js'

const OWN_BOUNDS = Symbol('own bounds')
/** Marks an answer that costs much, or takes as long as its reader does: it has a gate of its own, so that a user's other reads don't wait behind it. */
export const OwnBounds = (): MethodDecorator => SetMetadata(OWN_BOUNDS, true)

/** Global: bounds how much one user reads at a time, so that there are connections to MongoDB, memory and time left for the others. As many in all as people's reads have connections. */
@Injectable()
export class ReadGate implements NestInterceptor {
  private readonly gate = new UserGate({ what: 'requests', running: READ_CONNECTIONS, runningPerUser: 12, waiting: 1_000, waitingPerUser: 100, waitMs: 20_000 })

  constructor(private readonly reflector: Reflector) {}

  intercept(context: ExecutionContext, next: CallHandler): Observable<unknown> {
    const http = context.switchToHttp()
    const request = http.getRequest<Request>()
    const principal = principalOf(request)
    const hasOwnBounds = this.reflector.get<boolean | undefined>(OWN_BOUNDS, context.getHandler()) === true
    if (principal === undefined || hasOwnBounds || (request.method !== 'GET' && request.method !== 'HEAD')) return next.handle()
    const gone = new AbortController()
    http.getResponse<Reply>().raw.once('close', () => gone.abort())
    return from(this.gate.enter(principal.key, gone.signal)).pipe(mergeMap((leave) => next.handle().pipe(finalize(leave))))
  }
}
