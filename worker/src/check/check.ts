import { SETTINGS, type WorkerConfig } from '../config.js'
import { type Finding, missing } from './finding.js'
import { checkNode, checkProcesses, checkSpool, checkUser } from './host.js'
import { checkServer } from './server.js'

/** Looks at all that a worker needs of this host and its servers. Starts no worker, and leaves nothing behind. */
export async function checkAll(config: WorkerConfig, { isServerGiven, isTokenGiven }: { isServerGiven: boolean; isTokenGiven: boolean }): Promise<Finding[]> {
  const servers = isServerGiven ? await Promise.all(config.server.map((url) => checkServer(url, isTokenGiven ? config.token : undefined))) : []
  return [
    checkNode(process.versions.node),
    ...checkProcesses(process.platform),
    checkUser(config.runAsUser),
    ...checkSpool(config.spoolDir, config.spoolLimitBytes),
    ...(isServerGiven ? servers.flat() : [missing('server', `not given. Set ${nameOf('server')}: ${SETTINGS.server.help}`)]),
    ...(isTokenGiven
      ? []
      : [missing('token', `not given. Make one in the console, under Settings, Worker tokens, and give it by ${nameOf('tokenFile')} or ${nameOf('token')}`)]),
  ]
}

const nameOf = (key: 'server' | 'token' | 'tokenFile'): string => `--${SETTINGS[key].flag} (${SETTINGS[key].env})`
