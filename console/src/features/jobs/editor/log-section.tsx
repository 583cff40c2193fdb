import { InputNumber, Radio } from 'antd'
import { useTranslation } from 'react-i18next'
import { formatBytes } from '../../../ui/numbers'
import type { JobDraft } from '../logic/job-draft'
import { Field } from './field'
import { Section } from './section'
import type { SetMember } from './use-job-editor'

export function LogSection({ draft, set }: { draft: JobDraft; set: SetMember }) {
  const { t } = useTranslation('jobs')
  const log = { maxLines: 0, maxBytes: 0, onPressure: 'block' as const, ...draft.log }
  return (
    <Section title={t('section.log')}>
      <div style={{ display: 'flex', flexWrap: 'wrap', gap: '0 24px' }}>
        <Field path="log.maxLines" label={t('field.maxLines')} hint={log.maxLines === 0 ? t('hint.noLimit') : t('hint.limit')}>
          {(control) => (
            <InputNumber
              {...control}
              min={0}
              precision={0}
              step={10_000}
              value={log.maxLines}
              onChange={(value) => set('log', { ...log, maxLines: value ?? 0 })}
              style={{ width: 180 }}
            />
          )}
        </Field>
        <Field path="log.maxBytes" label={t('field.maxBytes')} hint={log.maxBytes === 0 ? t('hint.noLimit') : formatBytes(log.maxBytes)}>
          {(control) => (
            <InputNumber
              {...control}
              min={0}
              precision={0}
              step={1_048_576}
              value={log.maxBytes}
              onChange={(value) => set('log', { ...log, maxBytes: value ?? 0 })}
              style={{ width: 180 }}
            />
          )}
        </Field>
      </div>
      <Field path="log.onPressure" label={t('field.onPressure')} style={{ marginBottom: 0 }}>
        {({ id }) => (
          <Radio.Group
            id={id}
            value={log.onPressure}
            onChange={(event) => set('log', { ...log, onPressure: event.target.value === 'drop' ? 'drop' : 'block' })}
            options={[
              { value: 'block', label: t('pressure.block') },
              { value: 'drop', label: t('pressure.drop') },
            ]}
            style={{ display: 'flex', flexDirection: 'column', gap: 4 }}
          />
        )}
      </Field>
    </Section>
  )
}
