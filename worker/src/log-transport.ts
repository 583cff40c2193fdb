import type { LogTransport } from './log/pipeline.js'
import type { RequestSender } from './session.js'

/** The pipeline is opened before there is a connection, and asks through whichever there is then. */
export function logTransport(link: { readonly sender?: RequestSender }): LogTransport {
  const ask = (): RequestSender => {
    if (link.sender === undefined) throw new Error('asked before the connection was made')
    return link.sender
  }
  return {
    get isConnected() {
      return link.sender?.isConnected ?? false
    },
    resume: async (message) => ask().request('resume', message),
    log: async (message, body) => ask().request('log', message, { body }),
    seal: async (message) => ask().request('seal', message),
  }
}
