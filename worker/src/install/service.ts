import { longestStopMs } from '../stop-times.js'

/** A service of systemd, as its two files say it. */
export interface Service {
  unit: string
  version: string
  /** Program and arguments. */
  command: readonly string[]
  /** Whom the worker runs as; undefined: root. */
  user: string | undefined
  /** Whom jobs run as, where that is another. `home` is unknown where there is no such account (yet). */
  runAs: { home: string | undefined } | undefined
  drainTimeoutMs: number
  variables: ReadonlyMap<string, string>
}

export const unitPath = (unit: string): string => `/etc/systemd/system/${unit}.service`
export const variablesPath = (unit: string): string => `/etc/jobtrail/${unit}.env`
/** Not the state folder itself: systemd sets that one's rights at each start. */
export const defaultSpoolDir = (unit: string): string => `/var/lib/${unit}/spool`

export function unitFile({ unit, version, command, user, runAs, drainTimeoutMs }: Service): string {
  const home = runAs === undefined ? '~' : runAs.home
  return `# Written by jobtrail-worker --install, version ${version}. Settings and token are in ${variablesPath(unit)}.
[Unit]
Description=Jobtrail worker
Wants=network-online.target
After=network-online.target

[Service]
Type=exec
User=${user ?? 'root'}
${home === undefined ? '' : `WorkingDirectory=-${escapeSpecifiers(home)}\n`}StateDirectory=${unit}
StateDirectoryMode=${runAs === undefined ? '0700' : '0711'}
EnvironmentFile=${variablesPath(unit)}
ExecStart=${command.map(quoteArgument).join(' ')}
# A stop is told to the worker alone: it lets its jobs finish, delivers their logs and ends. What is left then, or when the time is up, is killed.
# When the worker dies without a stop, its jobs are killed at once, in their control groups too.
KillMode=mixed
TimeoutStopSec=${Math.ceil(longestStopMs(drainTimeoutMs) / 1_000)}
# The worker makes a control group for each attempt, in which the kernel finds and ends all that the attempt started.
Delegate=yes
# A job that takes all the memory ends alone, not the worker with all others.
OOMPolicy=continue
Restart=always
RestartSec=5
# 3: every server refuses it (is its token revoked?). 4: another worker took its spool folder. Neither gets better by a restart.
RestartPreventExitStatus=3 4

[Install]
WantedBy=multi-user.target
`
}

/** For `EnvironmentFile=`. */
export function variablesFile({ variables }: Pick<Service, 'variables'>): string {
  return [...variables].map(([name, value]) => `${name}="${value.replaceAll(/["\\$`]/g, String.raw`\$&`)}"\n`).join('')
}

/** In a unit `%` begins a specifier, and `$` a variable. */
const escapeSpecifiers = (text: string): string => text.replaceAll('%', '%%')
const quoteArgument = (text: string): string =>
  `"${escapeSpecifiers(text)
    .replaceAll(/["\\]/g, String.raw`\$&`)
    .replaceAll('$', '$$$$')}"`
