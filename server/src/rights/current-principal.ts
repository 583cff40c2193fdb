import { createParamDecorator, type ExecutionContext } from '@nestjs/common'
import type { Principal } from './principal.js'

const principals = new WeakMap<object, Principal>()

/** Set by the AuthGuard, once it knows who calls. */
export function setPrincipal(request: object, principal: Principal): void {
  principals.set(request, principal)
}

/** Undefined where nobody is asked for: at `@Public()` routes. */
export const principalOf = (request: object): Principal | undefined => principals.get(request)

/** Who makes this call. Not for `@Public()` routes, which have nobody. */
export const CurrentPrincipal = createParamDecorator((_data: unknown, context: ExecutionContext): Principal => {
  const principal = principalOf(context.switchToHttp().getRequest<object>())
  if (principal === undefined) throw new Error('A public route asks for its principal')
  return principal
})
