import { execFile } from 'node:child_process'
import { accessSync, constants } from 'node:fs'
import { delimiter, join } from 'node:path'
import { SetupError } from './setup-error.js'

/** What a finished command printed. */
export interface CommandResult {
  stdout: string
  stderr: string
}

/** Options of `runCommand`. */
export interface CommandOptions {
  timeoutMs: number
  env?: NodeJS.ProcessEnv
}

/** A command that failed, with what it printed. */
export class CommandError extends Error {
  override readonly name = 'CommandError'
}

/** Runs a program to its end; throws CommandError with the end of its output when it fails. */
export function runCommand(command: string, args: readonly string[], options: CommandOptions): Promise<CommandResult> {
  return new Promise((resolve, reject) => {
    execFile(
      command,
      [...args],
      {
        timeout: options.timeoutMs,
        killSignal: 'SIGKILL',
        maxBuffer: 16 * 1024 * 1024,
        env: options.env ?? process.env,
      },
      (error, stdout, stderr) => {
        if (error === null) return resolve({ stdout, stderr })
        const why = error.killed === true ? `took longer than ${options.timeoutMs / 1000} s` : `exit code ${error.code}`
        const output = `${stdout}${stderr}`.trim().split('\n').slice(-15).join('\n')
        reject(new CommandError(`${command} ${args.join(' ')}: ${why}\n${output}`, { cause: error }))
      },
    )
  })
}

/** The full path of a program, looked for on PATH and where Debian keeps its services. */
export function findProgram(name: string): string | undefined {
  // /usr/sbin is often not on the PATH of an ordinary user, and nginx lies there.
  const folders = [...(process.env['PATH'] ?? '').split(delimiter), '/usr/local/sbin', '/usr/sbin', '/sbin']
  for (const folder of folders) {
    if (folder === '') continue
    const path = join(folder, name)
    try {
      accessSync(path, constants.X_OK)
      return path
    } catch {
      continue // not here
    }
  }
  return undefined
}

/** Like findProgram, but a missing program is an error that says what to do. */
export function requireProgram(name: string, hint: string): string {
  const path = findProgram(name)
  if (path === undefined) throw new SetupError(`${name} was not found: ${hint}`)
  return path
}
