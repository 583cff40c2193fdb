import { z } from 'zod'
import { Environment } from './config.js'

/** What JSON Schema says of one variable. */
const Variable = z.object({
  description: z.string(),
  default: z.union([z.string(), z.number()]).optional(),
  type: z.string().optional(),
  enum: z.array(z.string()).optional(),
  minimum: z.number().optional(),
  maximum: z.number().optional(),
  minLength: z.number().optional(),
})

/** The environment variables of a server as a table in Markdown; docs/configuration.md holds it. */
export function configTable(): string {
  const { properties } = z.object({ properties: z.record(z.string(), Variable) }).parse(z.toJSONSchema(Environment, { io: 'input' }))
  const rows = Object.entries(properties).map(([name, variable]) => {
    const fallback = variable.default === undefined ? '' : `\`${variable.default}\``
    return `| \`${name}\` | ${variable.description} | ${valuesOf(variable)} | ${fallback} |`
  })
  return ['| variable | meaning | values | default |', '| --- | --- | --- | --- |', ...rows].join('\n')
}

function valuesOf(variable: z.infer<typeof Variable>): string {
  if (variable.enum !== undefined) return variable.enum.map((value) => `\`${value}\``).join(' ')
  if (variable.type === 'integer') return `${variable.minimum} to ${variable.maximum}`
  return variable.minLength !== undefined && variable.minLength > 1 ? `text of ${variable.minLength} characters or more` : 'text'
}
