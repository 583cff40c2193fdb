const BEARER = /^Bearer +([A-Za-z0-9._~+/=-]{1,4096})$/i

/** The token of an `Authorization` header; undefined where there is none. */
export function bearerOf(header: string | undefined): string | undefined {
  return header === undefined ? undefined : BEARER.exec(header)?.[1]
}
