import { setTimeout as sleep } from 'node:timers/promises'
import { type Access, NAMESPACES } from '../cluster/sign-in.js'
import type { LoadApi } from '../load/api.js'
import type { Ledger } from '../load/run.js'
import type { Findings } from '../oracle/findings.js'
import { listOf, parseExact, textOf } from '../oracle/json.js'
import type { Random } from '../random.js'

const PAUSE_MS = 400
const LISTS = [
  '/api/instances?limit=30',
  '/api/jobs?limit=30',
  '/api/workers?limit=30',
  '/api/instances?limit=30&text=a',
  '/api/instances?limit=30&status=FAILED,SUCCEEDED',
]
/** Of a run of somebody else's. */
const PARTS = ['', '/logs?from=0&limit=10', '/logs/raw', '/logs/search?q=0', '/logs/follow', '/logs/verify']

/** Viewers of each namespace, who try to see what is in the other. */
export class TenantProbe {
  private loop: Promise<void> = Promise.resolve()
  private isStopping = false

  constructor(
    private readonly ledger: Ledger,
    private readonly api: LoadApi,
    private readonly access: Access,
    private readonly findings: Findings,
    private readonly random: Random,
  ) {}

  start(): void {
    this.loop = this.keepProbing()
  }

  async stop(): Promise<void> {
    this.isStopping = true
    await this.loop
  }

  private async keepProbing(): Promise<void> {
    while (!this.isStopping) {
      for (const namespace of NAMESPACES) {
        const token = this.access.viewer[namespace]
        if (this.random.next() < 0.5) await this.probeList(namespace, token)
        else await this.probeRun(namespace, token)
      }
      await sleep(PAUSE_MS)
    }
  }

  private async probeList(namespace: string, token: string): Promise<void> {
    const path = this.random.pick(LISTS)
    const answer = await this.api.once(path, token)
    if (answer?.status !== 200) return
    const others = listOf(parseExact(answer.body.toString('utf8')), 'items').filter((item) => textOf(item, 'namespace') !== namespace)
    this.findings.check(
      'tenants',
      others.map((item) => `GET ${path} shows a viewer of ${namespace} what belongs to ${textOf(item, 'namespace')}: ${textOf(item, 'id')}`),
    )
  }

  private async probeRun(namespace: string, token: string): Promise<void> {
    const others = this.ledger.all.filter(({ kind }) => kind.namespace !== namespace)
    if (others.length === 0) return
    const path = `/api/instances/${this.random.pick(others).id}${this.random.pick(PARTS)}`
    const answer = await this.api.once(path, token)
    if (answer === undefined) return
    this.findings.check('tenants', [403, 404].includes(answer.status) ? [] : [`GET ${path} answers ${answer.status} to a viewer of ${namespace}`])
  }
}
