// Loaded by `node --import` into servers and workers of the fault bench. It gives a process two things that cannot be had from outside without privileges:
// - a wall clock that can be stepped: CHAOS_CLOCK_FILE holds the offset in milliseconds. Date alone is shifted; timers and performance.now() go on, as with a real step.
// - connections of its own that can be hurt: CHAOS_ROUTES, `from=to,…`, leads a port to that of a proxy. MongoDB's drivers take the members' addresses from the
//   replica set itself, so no setting could lead them there.
import { readFileSync } from 'node:fs'
import { Socket } from 'node:net'

const CLOCK_POLL_MS = 100

function shiftClock(file) {
  const RealDate = Date
  let offset = 0
  const read = () => {
    offset = Number(readFileSync(file, 'utf8')) || 0
  }
  read()
  setInterval(read, CLOCK_POLL_MS).unref()
  const now = () => RealDate.now() + offset
  globalThis.Date = new Proxy(RealDate, {
    construct: (target, args, newTarget) => Reflect.construct(target, args.length === 0 ? [now()] : args, newTarget),
    apply: (target) => new target(now()).toString(),
    get: (target, key, receiver) => (key === 'now' ? now : Reflect.get(target, key, receiver)),
  })
}

function route(text) {
  const routes = new Map(text.split(',').map((pair) => pair.split('=').map(Number)))
  const connect = Object.getOwnPropertyDescriptor(Socket.prototype, 'connect').value
  Socket.prototype.connect = function connectRouted(...args) {
    // Node hands on what it has made of its arguments as an array whose first entry are the options.
    const options = Array.isArray(args[0]) ? args[0][0] : args[0]
    const to = routes.get(Number(options?.port))
    if (to !== undefined) options.port = to
    return connect.apply(this, args)
  }
}

if (process.env.CHAOS_CLOCK_FILE) shiftClock(process.env.CHAOS_CLOCK_FILE)
if (process.env.CHAOS_ROUTES) route(process.env.CHAOS_ROUTES)
