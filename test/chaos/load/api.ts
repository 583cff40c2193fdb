import { setTimeout as sleep } from 'node:timers/promises'
import { type Answer, ask, isAway, type Question, Unreachable } from '../oracle/http.js'
import type { Findings } from '../oracle/findings.js'
import type { SecretScan } from '../oracle/secrets.js'
import type { Random } from '../random.js'

const RETRY_MS = 150
/** So many wrong answers to one question, and it is asked no more: they are noted, and the load goes on. */
const WRONG_ANSWERS = 3

/** The bench's tokens are good, and its questions have answers. */
const isWrong = ({ status }: Answer): boolean => status >= 500 || status === 401

/** Asks whichever server, as a user would who does not give up. */
export class LoadApi {
  /** Calls that found nobody, or somebody who could not answer just then. */
  away = 0
  answered = 0
  private isClosing = false

  constructor(
    private readonly urls: { readonly all: () => readonly string[]; readonly present: () => readonly string[] },
    private readonly findings: Findings,
    private readonly random: Random,
    private readonly secrets: SecretScan,
  ) {}

  /** One question to one of the servers; undefined when nobody can answer it just now, or when the answer is wrong, which is noted. */
  async once(path: string, token: string, question: Question = {}, url = this.anyUrl()): Promise<Answer | undefined> {
    const answer = await this.ask(path, token, question, url)
    return answer === undefined || isWrong(answer) ? undefined : answer
  }

  private async ask(path: string, token: string, question: Question, url: string): Promise<Answer | undefined> {
    let answer: Answer
    try {
      answer = await ask(`${url}${path}`, token, question)
    } catch (error) {
      if (!(error instanceof Unreachable)) throw error
      this.away++
      return undefined
    }
    if (isAway(answer)) {
      this.away++
      return undefined
    }
    this.answered++
    this.findings.check('secrets', this.secrets.problems(`${question.method ?? 'GET'} ${path}`, answer.body))
    this.findings.check(
      'answers',
      isWrong(answer) ? [`${question.method ?? 'GET'} ${path} at ${url}: ${answer.status} ${answer.body.toString('utf8').slice(0, 400)}`] : [],
    )
    return answer
  }

  /** Asks again and again until there is an answer; undefined when the bench ends before, or when the answers are wrong. Does not ask while it `mustWait`. */
  async insist(path: string, token: string, question: Question = {}, mustWait = (): boolean => false): Promise<Answer | undefined> {
    for (let wrong = 0; !this.isClosing && wrong < WRONG_ANSWERS; await sleep(RETRY_MS)) {
      if (mustWait()) continue
      const answer = await this.ask(path, token, question, this.anyUrl())
      if (answer !== undefined && !isWrong(answer)) return answer
      if (answer !== undefined) wrong++
    }
    return undefined
  }

  /** The load balancer mostly, else a server itself. */
  anyUrl(): string {
    const urls = this.urls.all()
    const [balancer = '', ...servers] = urls
    return this.random.next() < 0.6 ? balancer : this.random.pick(servers)
  }

  /** Where a server of the present version answers; undefined when there is none. */
  presentUrl(): string | undefined {
    const present = this.urls.present()
    if (present.length === this.urls.all().length) return this.anyUrl()
    return present.length === 0 ? undefined : this.random.pick(present)
  }

  close(): void {
    this.isClosing = true
  }
}
