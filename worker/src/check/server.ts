import { Readiness } from '@jobtrail/protocol/wire/health'
import { describeError, RefusedError } from '../errors.js'
import { parseJson } from '../read-file.js'
import { tryToConnect } from '../session.js'
import { type Finding, missing, ok, weaker } from './finding.js'

const ANSWER_TIMEOUT_MS = 5_000
/** More than the Date header, which has seconds, and a slow answer make up for. */
const MAX_OFFSET_MS = 5_000

/** Whether this server, or the load balancer there, answers, what its clock says, and whether it takes the token (undefined: there is none to try). */
export async function checkServer(url: string, token: string | undefined): Promise<Finding[]> {
  const what = `server ${url}`
  let answer: { status: number; offsetMs: number | undefined; body: unknown }
  try {
    answer = await ask(url)
  } catch (error) {
    return [missing(what, `it does not answer (${describeError(error)}). Check the address, and the firewall and proxy on the way`)]
  }
  const readiness = Readiness.safeParse(answer.body)
  if (!readiness.success) return [missing(what, `what answers there (HTTP ${answer.status}) is no Jobtrail server. Check the address`)]
  const { status } = readiness.data
  const findings = [status === 'ready' ? ok(what, 'it answers') : weaker(what, `it answers, but is ${status} now: the worker goes on trying`)]
  if (answer.offsetMs !== undefined) findings.push(clockFinding(answer.offsetMs))
  if (token !== undefined) findings.push(await checkToken(url, token))
  return findings
}

async function ask(url: string): Promise<{ status: number; offsetMs: number | undefined; body: unknown }> {
  const startedAt = Date.now()
  const response = await fetch(`${url.replace(/\/+$/, '')}/health/ready`, { signal: AbortSignal.timeout(ANSWER_TIMEOUT_MS), redirect: 'manual' })
  const sentAt = Date.parse(response.headers.get('date') ?? '')
  const middle = (startedAt + Date.now()) / 2
  const text = await response.text()
  // Half a second: the header has whole ones.
  return { status: response.status, offsetMs: Number.isNaN(sentAt) ? undefined : middle - (sentAt + 500), body: parseJson(text) }
}

/** `offsetMs`: how far this host's clock is ahead. */
export function clockFinding(offsetMs: number): Finding {
  const seconds = Math.round(Math.abs(offsetMs) / 1_000)
  if (Math.abs(offsetMs) <= MAX_OFFSET_MS) return ok('clock', `it differs from the server's by less than ${MAX_OFFSET_MS / 1_000} s`)
  return weaker(
    'clock',
    `it is ${seconds.toLocaleString('en')} s ${offsetMs > 0 ? 'ahead of' : 'behind'} the server's, and so are the times of log lines. Have it set by NTP`,
  )
}

async function checkToken(url: string, token: string): Promise<Finding> {
  const what = `token at ${url}`
  try {
    await tryToConnect(url, token)
    return ok(what, 'it is accepted')
  } catch (error) {
    const isRefused = error instanceof RefusedError && error.refusalCode === 'UNAUTHENTICATED'
    if (isRefused) return missing(what, `it is refused (${error.message}). Make one in the console, under Settings, Worker tokens`)
    return missing(what, `it could not be tried (${describeError(error)}). Websockets have to pass the proxies on the way; else try again`)
  }
}
