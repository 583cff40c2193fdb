import { ExactJson, type UserObject } from '@jobtrail/api/exact-json'

/**
 * Params as they are stored and sent to workers: as an object where that is exact, which the former version knows too, else as text beside an empty object.
 */
export type StoredParams = { params: Record<string, unknown>; paramsText?: string }

export const storedParams = (params: UserObject): StoredParams => (params instanceof ExactJson ? { params: {}, paramsText: params.text } : { params })

export const paramsOf = ({ params, paramsText }: StoredParams): UserObject => (paramsText === undefined ? params : new ExactJson(paramsText))

/** The same of what has params among other members. */
export type Stored<T extends { params: UserObject }> = Omit<T, 'params'> & StoredParams

export function toStored<T extends { params: UserObject }>({ params, ...rest }: T): Stored<T> {
  return { ...rest, ...storedParams(params) }
}

export function fromStored<T extends { params: UserObject }>({ params, paramsText, ...rest }: Stored<T>): T {
  return { ...rest, params: paramsOf({ params, ...(paramsText === undefined ? {} : { paramsText }) }) } as unknown as T
}
