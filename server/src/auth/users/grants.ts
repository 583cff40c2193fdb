import { ALL_NAMESPACES, type Grants, type Role } from '@jobtrail/api/auth'

/** As MongoDB has them: names of namespaces may hold dots, so they cannot be names of fields there. */
export type StoredGrant = { namespace: string; role: Role }

export const toStoredGrants = (grants: Grants): StoredGrant[] => Object.entries(grants).map(([namespace, role]) => ({ namespace, role }))
export const fromStoredGrants = (grants: readonly StoredGrant[]): Grants => Object.fromEntries(grants.map(({ namespace, role }) => [namespace, role]))

/** May do everything everywhere: one of them has to be there always. */
export const isGlobalAdmin = (user: { grants: readonly StoredGrant[]; disabled: boolean }): boolean =>
  !user.disabled && user.grants.some(({ namespace, role }) => namespace === ALL_NAMESPACES && role === 'admin')
