import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { aptInstall, canAptInstall } from './apt.js'
import { findProgram } from './command.js'
import { REPO_ROOT } from './paths.js'

const TEMPLATE = join(REPO_ROOT, 'deploy/nginx/jobtrail.conf')

/** The path of nginx: on PATH, or installed with apt-get; undefined where neither is possible. */
export async function findNginx(): Promise<string | undefined> {
  const installed = findProgram('nginx')
  if (installed !== undefined) return installed
  if (!canAptInstall()) return undefined
  await aptInstall(['nginx'])
  return findProgram('nginx')
}

/** Fills the template that the compose file uses too. `upstreams` are host:port. */
export async function renderServerConfig(listen: string, upstreams: readonly string[]): Promise<string> {
  const template = await readFile(TEMPLATE, 'utf8')
  const servers = upstreams.map((upstream) => `server ${upstream} max_fails=3 fail_timeout=1s;`).join('\n    ')
  // The comments at the top name the variables too; filling them in there does no harm in one line.
  return template
    .split('\n')
    .filter((line) => !line.startsWith('#'))
    .join('\n')
    .replaceAll('${JOBTRAIL_LISTEN}', () => listen)
    .replaceAll('${JOBTRAIL_UPSTREAMS}', () => servers)
}

/** What the image of nginx brings along, for an nginx that an ordinary user runs in a folder. */
function mainConfig(dir: string): string {
  // As root, nginx would give its workers to a user who may not enter our folder.
  const user = process.getuid?.() === 0 ? 'user root;' : ''
  const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map((name) => `${name}_temp_path ${join(dir, 'tmp')};`).join('\n    ')
  return `${user}
daemon off;
worker_processes 1;
pid ${join(dir, 'nginx.pid')};
error_log stderr warn;
events { worker_connections 8192; }
http {
    access_log off;
    ${temporary}
    include ${join(dir, 'jobtrail.conf')};
}
`
}

/** Writes the configuration into `dir` and returns the arguments that make nginx use it. */
export async function writeNginxConfig(dir: string, port: number, upstreams: readonly string[]): Promise<string[]> {
  await mkdir(join(dir, 'tmp'), { recursive: true })
  await writeFile(join(dir, 'jobtrail.conf'), await renderServerConfig(String(port), upstreams))
  const main = join(dir, 'nginx.conf')
  await writeFile(main, mainConfig(dir))
  return ['-p', dir, '-c', main, '-e', 'stderr']
}
