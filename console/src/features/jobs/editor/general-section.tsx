import { Input, Switch } from 'antd'
import { useTranslation } from 'react-i18next'
import type { JobDraft } from '../logic/job-draft'
import { Field } from './field'
import { Section } from './section'
import type { SetMember } from './use-job-editor'

export function GeneralSection({ draft, set }: { draft: JobDraft; set: SetMember }) {
  const { t } = useTranslation('jobs')
  return (
    <Section title={t('section.general')}>
      <Field path="name" label={t('field.name')} hint={t('hint.name')}>
        {(control) => (
          <Input {...control} value={draft.name} maxLength={63} autoComplete="off" spellCheck={false} onChange={(event) => set('name', event.target.value)} />
        )}
      </Field>
      <Field path="description" label={t('field.description')}>
        {(control) => (
          <Input.TextArea
            {...control}
            value={draft.description}
            maxLength={2_000}
            autoSize={{ minRows: 1, maxRows: 6 }}
            onChange={(event) => set('description', event.target.value)}
          />
        )}
      </Field>
      <Field path="enabled" label={t('field.enabled')} hint={t(draft.enabled === false ? 'hint.disabled' : 'hint.enabled')} style={{ marginBottom: 0 }}>
        {({ id }) => <Switch id={id} checked={draft.enabled ?? true} onChange={(isEnabled) => set('enabled', isEnabled)} />}
      </Field>
    </Section>
  )
}
