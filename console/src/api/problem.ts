import i18next from 'i18next'
import { USER_MEMBERS } from '@jobtrail/api/jobs'
import { parseExact } from '@jobtrail/api/exact-json'
import { Problem } from '@jobtrail/api/common'

export type FieldProblem = { path: string; message: string }

/** What the API answered instead of what was asked for; `status` 0: there was no answer. */
export class ApiProblem extends Error {
  constructor(
    readonly status: number,
    readonly code: string,
    readonly detail: string,
    readonly errors: readonly FieldProblem[] = [],
    /** With STALE_REVISION: the thing as it is now. */
    readonly current?: unknown,
    readonly requestId?: string,
  ) {
    super(detail)
    this.name = 'ApiProblem'
  }

  /** Nobody is at fault and it may work in a moment. */
  get isTransient(): boolean {
    return this.status === 0 || this.status >= 502 || this.code === 'TOO_MANY_REQUESTS'
  }
}

/** Undefined for what is no JSON, such as the page of a proxy. */
async function bodyOf(response: Response): Promise<unknown> {
  try {
    return parseExact(await response.text(), USER_MEMBERS)
  } catch {
    return undefined
  }
}

export async function problemOf(response: Response): Promise<ApiProblem> {
  const parsed = Problem.safeParse(await bodyOf(response))
  if (!parsed.success) return new ApiProblem(response.status, response.status >= 500 ? 'UNAVAILABLE' : 'INTERNAL', `${response.status} ${response.statusText}`)
  const { status, code, detail, errors, current, requestId } = parsed.data
  return new ApiProblem(status, code, detail, errors, current, requestId)
}

export const isProblem = (error: unknown, code?: string): error is ApiProblem => error instanceof ApiProblem && (code === undefined || error.code === code)

/** A message of a schema or of the API at a field, in the user's language where there is a translation. */
export const fieldMessage = (message: string): string => i18next.t(message, { ns: 'problems', keySeparator: false, nsSeparator: false, defaultValue: message })

/** What to tell the user. The API speaks English: in other languages its code is told first, and then what it said. */
export function messageOf(error: unknown): string {
  if (!(error instanceof ApiProblem)) return error instanceof Error ? error.message : String(error)
  const { code, detail } = error
  const known = i18next.resolvedLanguage === 'en' ? '' : i18next.t(code, { ns: 'problems', defaultValue: '' })
  return known === '' ? detail : `${known}(${fieldMessage(detail)})`
}
