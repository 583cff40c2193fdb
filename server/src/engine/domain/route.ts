/**
 * Where an attempt may be placed: a namespace, a group of workers, the tags and the handler that a worker must have. One BullMQ queue each.
 * As text: `namespace/group/tag+tag/handler`, tags sorted, handler percent-encoded, empty where there is none.
 */
export type Route = { namespace: string; group: string; tags: readonly string[]; handler: string | null }

export function routeName(route: Route): string {
  // BullMQ refuses colons in queue names; encodeURIComponent leaves none.
  return [route.namespace, route.group, route.tags.toSorted().join('+'), encodeURIComponent(route.handler ?? '')].join('/')
}

/** The inverse of {@link routeName}; throws RangeError for anything else. */
export function parseRoute(name: string): Route {
  const [namespace, group, tags, handler, ...rest] = name.split('/')
  if (namespace === undefined || group === undefined || tags === undefined || handler === undefined || rest.length > 0)
    throw new RangeError(`Not a route: ${name}`)
  return { namespace, group, tags: tags === '' ? [] : tags.split('+'), handler: handler === '' ? null : decodeURIComponent(handler) }
}

/** What of a worker decides which routes it serves. */
export type Capabilities = { namespace: string; group: string; tags: readonly string[]; handlers: readonly string[] }

export function canServe(worker: Capabilities, route: Route): boolean {
  return (
    worker.namespace === route.namespace &&
    worker.group === route.group &&
    route.tags.every((tag) => worker.tags.includes(tag)) &&
    (route.handler === null || worker.handlers.includes(route.handler))
  )
}
