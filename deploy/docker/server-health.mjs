// HEALTHCHECK of the server image: exit code 0 when the server says that it lives.
const port = process.env.JOBTRAIL_PORT ?? '7700'
try {
  const response = await fetch(`http://127.0.0.1:${port}/health/live`, { signal: AbortSignal.timeout(4_000) })
  process.exit(response.ok ? 0 : 1)
} catch (error) {
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`)
  process.exit(1)
}
