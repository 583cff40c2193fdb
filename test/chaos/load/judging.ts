import { canonical, type Exact, parseExact, textOf } from '../oracle/json.js'
import type { WitnessLine } from '../oracle/witness.js'
import type { Run } from './run.js'

/** Whether the last attempt of a run may have run on a worker of the former version. */
export type RanOnFormer = (run: Run, detail: Exact) => boolean

/** The worker that had the last attempt. */
export const lastWorker = (detail: Exact): string => textOf(detail, 'attempts', -1, 'workerName')

/** A run of it ends in one of these states. */
export function endsAs(...statuses: string[]): (run: Run, detail: Exact) => string[] {
  return (_run, detail) => {
    const status = textOf(detail, 'status')
    return statuses.includes(status) ? [] : [`ended as ${status} (${textOf(detail, 'error').slice(0, 200)}), not as ${statuses.join(' or ')}`]
  }
}

/** JSON that was given comes back as it was. */
export function sameJson(what: string, expected: string, got: Exact | undefined): string[] {
  const [want, have] = [canonical(parseExact(expected)), canonical(got)]
  return want === have ? [] : [`${what} was ${want.slice(0, 200)}, and came back as ${have.slice(0, 200)}`]
}

/** How often a process of the run was started. */
export const starts = (lines: readonly WitnessLine[]): number => lines.filter(({ event }) => event === 'start').length
