import { Segmented, Typography } from 'antd'
import { useState } from 'react'
import { useTranslation } from 'react-i18next'
import type { JobView } from '@jobtrail/api/jobs'
import { DiffView } from '../diff-view'
import { differences, merge, type Side } from '../logic/conflict'
import { type DefinitionMember, draftOf, type JobDraft } from '../logic/job-draft'
import { Dialog } from '../../../ui/dialog'

type Props = { base: JobDraft; mine: JobDraft; current: JobView; onMerged: (merged: JobDraft) => void; close: () => void }

/** Someone saved the job meanwhile: shows both changes, member by member, and lets the user choose. Nothing is saved yet. */
export function ConflictDialog({ base, mine, current, onMerged, close }: Props) {
  const { t } = useTranslation('jobs')
  const theirs = draftOf(current)
  const found = differences(base, mine, theirs)
  const [choices, setChoices] = useState<Partial<Record<DefinitionMember, Side>>>({})
  return (
    <Dialog
      width={900}
      title={t('conflict.title')}
      okText={t('conflict.take')}
      cancelText={t('common:actions.cancel')}
      onOk={() => onMerged(merge(base, mine, theirs, choices))}
      onCancel={close}
    >
      <p>{t('conflict.text', { revision: current.revision })}</p>
      {found.map(({ member, by }) => (
        <section key={member} aria-label={member} style={{ marginBottom: 16 }}>
          <div style={{ display: 'flex', flexWrap: 'wrap', alignItems: 'center', gap: 12, marginBottom: 6 }}>
            <strong className="jt-mono">{member}</strong>
            <Typography.Text type={by === 'both' ? 'warning' : 'secondary'}>{t(`conflict.by.${by}`)}</Typography.Text>
            <Segmented<Side>
              size="small"
              aria-label={t('conflict.choose', { member })}
              value={choices[member] ?? (by === 'theirs' ? 'theirs' : 'mine')}
              options={(['mine', 'theirs'] as const).map((value) => ({ value, label: t(`conflict.${value}`) }))}
              onChange={(side) => setChoices({ ...choices, [member]: side })}
              style={{ marginInlineStart: 'auto' }}
            />
          </div>
          <DiffView before={theirs[member]} after={mine[member]} label={t('conflict.diff', { member })} />
        </section>
      ))}
      {found.length === 0 && <p>{t('conflict.none')}</p>}
    </Dialog>
  )
}
