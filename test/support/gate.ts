import { renameSync, writeFileSync } from 'node:fs'

/** A file by which a test lets the processes of its jobs go on, step by step: it holds the number of steps that they may take. */
export class Gate {
  private steps: number

  constructor(
    readonly file: string,
    steps = 0,
  ) {
    this.steps = steps
    this.write()
  }

  /** Lets them take one more step. */
  open(): void {
    this.steps++
    this.write()
  }

  /** Lets them go to their end. */
  openAll(): void {
    this.steps = Number.MAX_SAFE_INTEGER
    this.write()
  }

  /** Shell text that waits until step `step` (from 1) may be taken. */
  shell(step: number): string {
    return `until [ "$(cat '${this.file}')" -ge ${step} ]; do sleep 0.05; done`
  }

  /** Renamed into place, so that no reader sees half of it. */
  private write(): void {
    writeFileSync(`${this.file}.new`, String(this.steps))
    renameSync(`${this.file}.new`, this.file)
  }
}
