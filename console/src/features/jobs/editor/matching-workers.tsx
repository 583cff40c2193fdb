import { CheckCircleFilled, WarningFilled } from '@ant-design/icons'
import { Skeleton, theme, Typography } from 'antd'
import type { UseQueryResult } from '@tanstack/react-query'
import { useTranslation } from 'react-i18next'
import type { WorkerPage } from '@jobtrail/api/cluster'
import { messageOf } from '../../../api/problem'
import type { JobDraft } from '../logic/job-draft'
import { matchWorkers, type WorkerMatch } from '../logic/matching-workers'
import { Section } from './section'

const SHOWN = 8

/** Which workers would take a run of the draft now, and why the others of the group would not. */
export function MatchingWorkers({ draft, namespace, workers }: { draft: JobDraft; namespace: string; workers: UseQueryResult<WorkerPage> }) {
  const { t } = useTranslation('jobs')
  const { token } = theme.useToken()
  if (workers.data === undefined)
    return (
      <Section title={t('workers.title')}>
        {workers.isError ? <Typography.Text type="danger">{messageOf(workers.error)}</Typography.Text> : <Skeleton active title={false} />}
      </Section>
    )
  const group = draft.routing?.group ?? 'default'
  const { able, others } = matchWorkers(workers.data.items, {
    namespace,
    group,
    tags: draft.routing?.tags ?? [],
    handler: draft.processor.kind === 'handler' ? draft.processor.handler : null,
  })
  const free = able.reduce((sum, { worker }) => sum + worker.freeSlots, 0)
  return (
    <Section title={t('workers.title')}>
      <p style={{ margin: '0 0 8px' }} role="status">
        {able.length > 0 ? <CheckCircleFilled style={{ color: token.colorSuccess }} /> : <WarningFilled style={{ color: token.colorWarning }} />}{' '}
        {able.length > 0 ? t('workers.able', { count: able.length, free }) : t(others.length > 0 ? 'workers.noneAble' : 'workers.noneInGroup', { group })}
      </p>
      <ul style={{ listStyle: 'none', margin: 0, padding: 0, fontSize: 13 }}>
        {[...able, ...others].slice(0, SHOWN).map((match) => (
          <li key={match.worker.id} style={{ padding: '2px 0', overflowWrap: 'anywhere' }}>
            <strong>{match.worker.name}</strong>{' '}
            <Typography.Text type="secondary">
              {able.includes(match) ? t('workers.slots', { free: match.worker.freeSlots, slots: match.worker.slots }) : <Missing {...match} />}
            </Typography.Text>
          </li>
        ))}
      </ul>
      {able.length + others.length > SHOWN && (
        <Typography.Text type="secondary">{t('workers.more', { count: able.length + others.length - SHOWN })}</Typography.Text>
      )}
    </Section>
  )
}

function Missing({ missing }: WorkerMatch) {
  const { t } = useTranslation('jobs')
  const reasons = [
    ...(missing.isAway ? [t('workers.draining')] : []),
    ...(missing.tags.length > 0 ? [t('workers.missingTags', { tags: missing.tags.join(', ') })] : []),
    ...(missing.isHandlerMissing ? [t('workers.missingHandler')] : []),
  ]
  return <>{reasons.join(' · ')}</>
}
