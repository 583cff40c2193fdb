import { accessSync, constants, existsSync, mkdirSync, readFileSync, rmdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { systemCode } from '../errors.js'

/**
 * A control group (cgroup v2) for each attempt, where the worker may make one: below its own, which a service manager or container runtime has to allow
 * (systemd: `Delegate=yes`). Nothing leaves such a group by forking, and the kernel ends all of it at once. A process of root or of the
 * worker's user can move itself to another group; its markers tell.
 */
export class Cgroups {
  private constructor(private readonly dir: string) {}

  /** Undefined where there is no cgroup v2, the worker may not make groups, or the kernel has no `cgroup.kill` (before 5.14). */
  static open(name: string): Cgroups | undefined {
    const own = ownCgroup()
    if (own === undefined) return undefined
    const dir = join(own, name)
    try {
      mkdirSync(dir, { recursive: true })
      accessSync(join(own, 'cgroup.procs'), constants.W_OK)
      if (existsSync(join(dir, 'cgroup.kill'))) return new Cgroups(dir)
      rmdirSync(dir)
      return undefined
    } catch (error) {
      if (['EACCES', 'EPERM', 'EROFS', 'ENOENT', 'EBUSY', 'EAGAIN', 'ENOSPC'].includes(systemCode(error) ?? '')) return undefined
      throw error
    }
  }

  /** Makes a group and returns its folder. */
  make(key: string): string {
    const path = join(this.dir, key)
    mkdirSync(path, { recursive: true })
    return path
  }

  /** Gives the folder back, once the attempts' groups are gone. */
  close(): void {
    removeCgroup(this.dir)
  }
}

/** Puts a process into the group; what it starts from then on is in it too. */
export const addToCgroup = (path: string, pid: number): void => writeFileSync(join(path, 'cgroup.procs'), String(pid))

/** Whether anything in the group lives. */
export function isPopulated(path: string): boolean {
  return /^populated 1$/m.test(readIfThere(join(path, 'cgroup.events')) ?? '')
}

/** SIGKILLs all that is in the group, at once. */
export function killCgroup(path: string): void {
  try {
    writeFileSync(join(path, 'cgroup.kill'), '1', { flag: 'r+' })
  } catch (error) {
    if (systemCode(error) !== 'ENOENT' && systemCode(error) !== 'ENODEV') throw error
  }
}

export function pidsIn(path: string): number[] {
  return (readIfThere(join(path, 'cgroup.procs')) ?? '')
    .split('\n')
    .filter((line) => line !== '')
    .map(Number)
}

/** Removes an empty group. One that a worker's job has divided, or that is still in use, is left to the kernel's owner. */
export function removeCgroup(path: string): void {
  try {
    rmdirSync(path)
  } catch (error) {
    if (!['ENOENT', 'EBUSY', 'ENOTEMPTY', 'EPERM', 'EACCES', 'EROFS'].includes(systemCode(error) ?? '')) throw error
  }
}

/** The folder of this process's own group in the unified hierarchy. */
export function ownCgroup(): string | undefined {
  const own = /^0::(\/.*)$/m.exec(readIfThere('/proc/self/cgroup') ?? '')?.[1]
  // Fields: id, parent, device, root of the mount, mount point, options … "-", type.
  const mount = (readIfThere('/proc/self/mountinfo') ?? '').split('\n').find((line) => / - cgroup2 /.test(line))
  const [, , , root, point] = mount?.split(' ') ?? []
  if (own === undefined || root === undefined || point === undefined || (root !== '/' && !own.startsWith(root))) return undefined
  return join(point, root === '/' ? own : own.slice(root.length))
}

function readIfThere(path: string): string | undefined {
  try {
    return readFileSync(path, 'latin1')
  } catch (error) {
    if (['ENOENT', 'ENODEV', 'ENOTDIR', 'EACCES'].includes(systemCode(error) ?? '')) return undefined
    throw error
  }
}
