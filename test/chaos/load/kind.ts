import type { Namespace } from '../cluster/sign-in.js'
import type { Exact } from '../oracle/json.js'
import type { ExpectedOutput } from '../oracle/log-lines.js'
import type { WitnessLine } from '../oracle/witness.js'
import type { Random } from '../random.js'
import type { Answer } from '../oracle/http.js'
import type { Run } from './run.js'

/** What a run is given. */
export interface RunInput {
  /** JSON text of its parameters. */
  readonly params?: string
  readonly variant?: number
  /** The API may refuse these parameters, if it names them. */
  readonly mayBeRefused?: boolean
}

/** Somebody who does something about a run. Undefined as an answer: the bench ends. */
export interface User {
  readonly random: Random
  post(path: string): Promise<Answer | undefined>
  /** Waits until the run has ended. */
  waitForEnd(run: Run): Promise<string | undefined>
}

/** A job of the bench, how it is run, and what has to become of its runs. */
export interface JobKind {
  readonly name: string
  readonly namespace: Namespace
  /** The job, but for its name and namespace. */
  readonly job: Readonly<Record<string, unknown>>
  /** It fires by itself. */
  readonly schedule?: { readonly stepMs: number; readonly isCron: boolean }
  /** It is run by the API, on average so often. */
  readonly everyMs?: number
  input?(random: Random, number: number): RunInput
  /** What a user does with a run of it, besides waiting; until this is over the run is not judged. */
  meddle?(run: Run, user: User): Promise<void>
  /** What an attempt writes to stdout, line by line. */
  output?(run: Run, attempt: number): ExpectedOutput
  /** What an attempt writes, byte by byte. */
  bytes?(run: Run, attempt: number): Buffer
  /** What is wrong about how it has ended. Without it, only that it has. */
  judge?(run: Run, detail: Exact, witness: readonly WitnessLine[]): string[]
  /** What did not come back as it was given. */
  data?(run: Run, detail: Exact): string[]
  /** Its own processes tell nothing: it is a handler. */
  readonly isSilent?: boolean
}
