import { Card } from 'antd'
import { useTranslation } from 'react-i18next'
import { Link } from 'react-router'
import type { LogSummary } from '@jobtrail/api/instances'
import { useSession } from '../../../app/session'
import { useTime } from '../../../app/time-zone'
import { formatBytes, formatCount } from '../../../ui/numbers'
import { EmptyState } from '../../../ui/states'

/** Instead of a log that retention has removed: what it had, and since when it is gone. */
export function ExpiredLog({ log: { lines, bytes, expiredAt }, namespace }: { log: LogSummary; namespace: string }) {
  const { t } = useTranslation('instance')
  const { can } = useSession()
  const { format } = useTime()
  const at = expiredAt === undefined ? '–' : format(expiredAt)
  return (
    <Card size="small" role="region" aria-label={t('expired.title')}>
      <EmptyState
        title={t('expired.title')}
        text={t('expired.text', { count: lines, lines: formatCount(lines), bytes: formatBytes(bytes), namespace, at })}
        action={can(namespace, 'admin') && <Link to={`/settings/retention?ns=${encodeURIComponent(namespace)}`}>{t('expired.settings')}</Link>}
      />
    </Card>
  )
}
