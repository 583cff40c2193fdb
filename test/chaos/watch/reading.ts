import type { LoadApi } from '../load/api.js'
import type { Run } from '../load/run.js'
import type { Access } from '../cluster/sign-in.js'
import { type Exact, listOf, memberOf, numberOf, parseExact, textOf } from '../oracle/json.js'
import type { ShownLine } from '../oracle/log-lines.js'
import type { StateView } from '../oracle/states.js'

/** A page of a log. */
export interface LogPage {
  readonly state: string
  readonly total: number
  readonly attempt: number
  readonly namesLoss: boolean
  readonly lines: readonly ShownLine[]
  /** Which server answered. */
  readonly url: string
}

/** Reads runs and logs, each time from whichever server. Undefined: nobody could answer just then. */
export class Reading {
  constructor(
    private readonly api: LoadApi,
    private readonly access: Access,
  ) {}

  /** From a server of the present version: the former one calls a partial log sealed, and knows no data that is kept as text. */
  async detail(run: Run): Promise<Exact | null | undefined> {
    const url = this.api.presentUrl()
    const answer = url === undefined ? undefined : await this.api.once(`/api/instances/${run.id}`, this.tokenOf(run), {}, url)
    if (answer === undefined) return undefined
    return answer.status === 200 ? parseExact(answer.body.toString('utf8')) : null
  }

  async page(run: Run, attempt: number, from: number, limit: number): Promise<LogPage | undefined> {
    const url = this.api.anyUrl()
    const answer = await this.api.once(`/api/instances/${run.id}/logs?attempt=${attempt}&from=${from}&limit=${limit}`, this.tokenOf(run), {}, url)
    if (answer === undefined || answer.status !== 200) return undefined
    const page = parseExact(answer.body.toString('utf8'))
    return {
      state: textOf(page, 'state'),
      total: numberOf(page, 'total'),
      attempt: numberOf(page, 'attempt'),
      namesLoss: namesLoss(page),
      lines: linesOf(page, 'lines'),
      url,
    }
  }

  /** All lines of a log that is not added to any more. */
  async whole(run: Run, attempt: number): Promise<LogPage | undefined> {
    const lines: ShownLine[] = []
    for (;;) {
      const page = await this.page(run, attempt, lines.length, 5_000)
      if (page === undefined) return undefined
      lines.push(...page.lines)
      if (lines.length >= page.total || page.lines.length === 0) return { ...page, lines }
    }
  }

  async bytes(run: Run, attempt: number): Promise<Buffer | undefined> {
    const answer = await this.api.once(`/api/instances/${run.id}/logs/raw?attempt=${attempt}`, this.tokenOf(run))
    return answer?.status === 200 ? answer.body : undefined
  }

  /** What the digest chain says of a log: empty when it is right. */
  async verifyProblems(run: Run, attempt: number): Promise<string[] | undefined> {
    const answer = await this.api.once(`/api/instances/${run.id}/logs/verify?attempt=${attempt}`, this.tokenOf(run))
    if (answer?.status !== 200) return undefined
    const text = answer.body.toString('utf8')
    return memberOf(parseExact(text), 'valid') === true ? [] : [`verify says ${text.slice(0, 300)}`]
  }

  /** Lines that hold a text. */
  async search(run: Run, attempt: number, text: string): Promise<ShownLine[] | undefined> {
    const answer = await this.api.once(`/api/instances/${run.id}/logs/search?attempt=${attempt}&q=${encodeURIComponent(text)}&limit=500`, this.tokenOf(run))
    if (answer?.status !== 200) return undefined
    return listOf(parseExact(answer.body.toString('utf8')), 'matches').map((match) => lineOf(memberOf(match, 'line')))
  }

  tokenOf(run: Run): string {
    return this.access.viewer[run.kind.namespace]
  }
}

export function linesOf(value: Exact, ...path: string[]): ShownLine[] {
  return listOf(value, ...path).map(lineOf)
}

export function lineOf(line: Exact | undefined): ShownLine {
  return { n: numberOf(line, 'n'), stream: textOf(line, 'stream'), text: textOf(line, 'text') }
}

function namesLoss(log: Exact | undefined): boolean {
  return listOf(log, 'losses').length > 0 || listOf(log, 'gaps').length > 0 || textOf(log, 'reason') !== ''
}

/** What matters for its states of the detail of a run. */
export function stateView(detail: Exact): StateView {
  return {
    status: textOf(detail, 'status'),
    attempts: listOf(detail, 'attempts').map((attempt) => ({
      attempt: numberOf(attempt, 'attempt'),
      status: textOf(attempt, 'status'),
      worker: textOf(attempt, 'workerName'),
      logState: textOf(attempt, 'log', 'state'),
      logLines: numberOf(attempt, 'log', 'lines'),
      startedAt: textOf(attempt, 'startedAt'),
      finishedAt: textOf(attempt, 'finishedAt'),
    })),
  }
}
