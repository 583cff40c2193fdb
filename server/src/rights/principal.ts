import { ALL_NAMESPACES, type Grants, type Role, ROLES } from '@jobtrail/api/auth'
import { ForbiddenError, NotFoundError } from '@jobtrail/protocol/domain/errors'

/** Who makes a call, and what they may do. */
export class Principal {
  constructor(
    readonly kind: 'user' | 'token',
    readonly id: string,
    /** User name, or `token:<name>`. */
    readonly name: string,
    readonly grants: Grants,
    readonly ip: string | null,
    readonly requestId: string | null,
  ) {}

  /** Names whoever calls, for bounds of each. */
  get key(): string {
    return `${this.kind}:${this.id}`
  }

  /** Their role in a namespace; undefined: none, and the namespace does not exist for them. */
  roleIn(namespace: string): Role | undefined {
    const roles = [this.grants[namespace], this.grants[ALL_NAMESPACES]].filter((role) => role !== undefined)
    return ROLES.findLast((role) => roles.includes(role))
  }

  can(namespace: string, role: Role): boolean {
    const own = this.roleIn(namespace)
    return own !== undefined && ROLES.indexOf(own) >= ROLES.indexOf(role)
  }

  /** Throws NotFoundError, as for a thing that does not exist, where they have no role at all, and ForbiddenError where it is too low. */
  require(namespace: string, role: Role, what: string, id: string): void {
    if (this.roleIn(namespace) === undefined) throw new NotFoundError(what, id)
    if (!this.can(namespace, role)) throw new ForbiddenError(`This needs the role ${role} in namespace ${namespace}`)
  }

  /** Throws ForbiddenError unless they have the role in every namespace. */
  requireEverywhere(role: Role): void {
    if (!this.can(ALL_NAMESPACES, role)) throw new ForbiddenError(`This needs the role ${role} in all namespaces`)
  }

  /**
   * A MongoDB condition on `namespace` that keeps a list to where they have the role; `wanted` narrows it to one namespace.
   * Throws as {@link require} does for a namespace that is not theirs, and ForbiddenError when they have more than viewer nowhere but it is asked for.
   */
  namespaceFilter(wanted?: string, role: Role = 'viewer'): { namespace?: string | { $in: string[] } } {
    if (wanted !== undefined) {
      this.require(wanted, role, 'namespace', wanted)
      return { namespace: wanted }
    }
    if (this.can(ALL_NAMESPACES, role)) return {}
    const namespaces = Object.keys(this.grants).filter((namespace) => namespace !== ALL_NAMESPACES && this.can(namespace, role))
    if (namespaces.length === 0 && role !== 'viewer') throw new ForbiddenError(`This needs the role ${role} in some namespace`)
    return { namespace: { $in: namespaces } }
  }
}
