import { existsSync } from 'node:fs'
import { mkdir, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { findProgram, runCommand } from './command.js'
import { withLock } from './lock.js'
import { CACHE_DIR } from './paths.js'
import { say } from './say.js'

const TIMEOUT_MS = 10 * 60_000

/** Whether packages can be installed with apt-get: Debian or Ubuntu, and root. */
export function canAptInstall(): boolean {
  return process.getuid?.() === 0 && findProgram('apt-get') !== undefined
}

async function aptGet(...args: string[]): Promise<void> {
  await runCommand('apt-get', ['-q', '-y', '-o', 'DPkg::Lock::Timeout=300', ...args], {
    timeoutMs: TIMEOUT_MS,
    env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' },
  })
}

const SERVICE_POLICY = '/usr/sbin/policy-rc.d'

/** Debian asks this file before it starts a service; 101 means "do not". */
async function withoutServices(work: () => Promise<void>): Promise<void> {
  if (existsSync(SERVICE_POLICY)) return work() // the administrator's own policy is left alone
  await writeFile(SERVICE_POLICY, '#!/bin/sh\nexit 101\n', { mode: 0o755 })
  try {
    await work()
  } finally {
    await rm(SERVICE_POLICY, { force: true })
  }
}

/**
 * Installs packages with the system's package manager. The services that Debian starts on install
 * are kept from starting: we run our own on our own ports.
 */
export async function aptInstall(packages: readonly string[]): Promise<void> {
  await mkdir(CACHE_DIR, { recursive: true })
  await withLock(join(CACHE_DIR, 'apt.lock'), TIMEOUT_MS, async () => {
    say(`installing ${packages.join(', ')} with apt-get`)
    const install = (): Promise<void> => aptGet('install', '--no-install-recommends', ...packages)
    await withoutServices(async () => {
      try {
        await install()
      } catch {
        // The package lists are empty or old on a fresh machine: fetch them, then it must work.
        await aptGet('update')
        await install()
      }
    })
  })
}
