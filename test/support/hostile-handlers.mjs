// Handlers of a worker that nobody should trust: `jobtrail-worker --handlers test/support/hostile-handlers.mjs`.

/** Prints each of `params.lines`, then throws `params.error` if there is one, else returns `params.result`. Its name is an attack itself. */
async function say({ params }) {
  for (const line of params.lines) console.log(line)
  if (params.error !== undefined) throw new Error(params.error)
  return params.result
}

export { say as '<img src="nowhere" onerror="attacked(`handler`)">' }
