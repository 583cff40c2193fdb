import { canonical, type Exact, memberOf, textOf } from './json.js'

/** A result that nobody can keep: the run has succeeded all the same, has none, and says why. */
export function leftOutProblems(detail: Exact, reason: RegExp): string[] {
  const [status, error, result] = [textOf(detail, 'status'), textOf(detail, 'error'), memberOf(detail, 'result') ?? null]
  return [
    ...(status === 'SUCCEEDED' ? [] : [`ended as ${status} (${error.slice(0, 200)}), although only its result could not be kept`]),
    ...(result === null ? [] : [`has the result ${canonical(result).slice(0, 200)}, which is not what it gave`]),
    ...(error.includes('result was left out') && reason.test(error)
      ? []
      : [`does not say why its result was left out (${reason.source}), but "${error.slice(0, 200)}"`]),
  ]
}
