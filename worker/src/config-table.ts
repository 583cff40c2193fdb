import { HANDLERS_SETTING, ISOLATION_SETTING, SETTINGS } from './config.js'

/** The options of a worker as a table in Markdown; docs/configuration.md holds it. */
export function configTable(): string {
  const rows = [...Object.values(SETTINGS), HANDLERS_SETTING, ISOLATION_SETTING].map(
    ({ flag, env, value, help }) => `| \`--${flag} ${value}\` | \`${env}\` | ${help.replaceAll('|', String.raw`\|`)} |`,
  )
  return ['| option | variable | meaning (default) |', '| --- | --- | --- |', ...rows].join('\n')
}
