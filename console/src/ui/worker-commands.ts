export const INSTALL_WAYS = ['npm', 'archive', 'service'] as const
export type InstallWay = (typeof INSTALL_WAYS)[number]

/** The one line that installs a worker from the server at `origin` and connects it. `…` stands where the token goes. */
export function workerCommand(way: InstallWay, origin: string, group = 'default'): string {
  const url = `${origin}/downloads/jobtrail-worker.tgz`
  const options = `--server ${origin} --group ${group}`
  switch (way) {
    case 'npm':
      return `npm install --global ${url} && JOBTRAIL_TOKEN=… jobtrail-worker ${options}`
    case 'archive':
      return `curl -fsSL ${url} | tar xz && JOBTRAIL_TOKEN=… node package/dist/bundle/main.js ${options}`
    case 'service':
      return `sudo npm install --global ${url} && sudo JOBTRAIL_TOKEN=… jobtrail-worker --install ${options}`
  }
}
