import { AutoComplete, InputNumber, Select } from 'antd'
import { useTranslation } from 'react-i18next'
import type { WorkerView } from '@jobtrail/api/cluster'
import type { JobDraft } from '../logic/job-draft'
import { Field } from './field'
import { Section } from './section'
import type { SetMember } from './use-job-editor'

const unique = (values: readonly string[]): string[] => [...new Set(values)].toSorted()

export function RoutingSection({ draft, set, workers }: { draft: JobDraft; set: SetMember; workers: readonly WorkerView[] }) {
  const { t } = useTranslation('jobs')
  const routing = draft.routing ?? {}
  return (
    <Section title={t('section.routing')}>
      <Field path="routing.group" label={t('field.group')} hint={t('hint.group')}>
        {(control) => (
          <AutoComplete
            {...control}
            value={routing.group ?? 'default'}
            options={unique(['default', ...workers.map(({ group }) => group)]).map((value) => ({ value }))}
            onChange={(group: string) => set('routing', { ...routing, group })}
            style={{ width: 360, maxWidth: '100%' }}
          />
        )}
      </Field>
      <Field path="routing.tags" label={t('field.tags')} hint={t('hint.tags')}>
        {(control) => (
          <Select
            {...control}
            mode="tags"
            value={routing.tags ?? []}
            tokenSeparators={[',', ' ']}
            options={unique(workers.filter(({ group }) => group === (routing.group ?? 'default')).flatMap(({ tags }) => tags)).map((value) => ({
              value,
              label: value,
            }))}
            onChange={(tags: string[]) => set('routing', { ...routing, tags })}
            style={{ width: 360, maxWidth: '100%' }}
          />
        )}
      </Field>
      <Field path="priority" label={t('field.priority')} hint={t('hint.priority')} style={{ marginBottom: 0 }}>
        {(control) => (
          <InputNumber
            {...control}
            min={-1_000}
            max={1_000}
            precision={0}
            value={draft.priority ?? 0}
            onChange={(priority) => set('priority', priority ?? 0)}
          />
        )}
      </Field>
    </Section>
  )
}
