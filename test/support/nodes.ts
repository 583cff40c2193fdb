import type { ManagedProcess, ProcessExit } from '@jobtrail/deploy/process'
import { waitUntilReady } from '@jobtrail/deploy/programs'

/** What servers and workers of a test cluster have in common: a process that can be hurt and healed. */
abstract class ClusterNode {
  constructor(
    readonly name: string,
    readonly process: ManagedProcess,
  ) {}

  get isRunning(): boolean {
    return this.process.isRunning
  }

  /** Ends it (SIGKILL unless told) and waits until it is gone. */
  kill(signal: NodeJS.Signals = 'SIGKILL'): Promise<ProcessExit> {
    return this.process.kill(signal)
  }

  /** Ends it in good order; SIGKILL after `graceMs`. Resolves with how it ended. */
  stop(graceMs = 20_000): Promise<ProcessExit | undefined> {
    return this.process.stop(graceMs)
  }

  /** Freezes the process: it keeps its connections and does nothing. */
  freeze(): void {
    this.process.signal('SIGSTOP')
  }

  /** Wakes a frozen process up. */
  thaw(): void {
    this.process.signal('SIGCONT')
  }

  /** Everything it has written to stdout and stderr. */
  logs(): string {
    return this.process.log()
  }
}

/** One Jobtrail server of a test cluster. */
export class ServerNode extends ClusterNode {
  readonly url: string

  constructor(
    name: string,
    process: ManagedProcess,
    readonly port: number,
  ) {
    super(name, process)
    this.url = `http://127.0.0.1:${port}`
  }

  /** Starts it (again) and, unless told otherwise, waits until it is ready. */
  async start({ waitReady = true }: { waitReady?: boolean } = {}): Promise<void> {
    this.process.start()
    if (waitReady) await waitUntilReady(this.process, this.port)
  }
}

/** One Jobtrail worker of a test cluster. */
export class WorkerNode extends ClusterNode {
  constructor(
    name: string,
    process: ManagedProcess,
    readonly spoolDir: string,
  ) {
    super(name, process)
  }

  /** Starts it (again); `cluster.waitForWorkers` waits until it is connected. */
  start(): void {
    this.process.start()
  }
}
