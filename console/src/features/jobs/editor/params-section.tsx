import { useState } from 'react'
import { useTranslation } from 'react-i18next'
import type { JobDraft } from '../logic/job-draft'
import { isSame } from '../logic/job-draft'
import { parseObject } from '../logic/json-object'
import { CodeEditor } from './code-editor'
import { Field, useFieldError } from './field'
import { Section } from './section'
import type { SetMember } from './use-job-editor'

export function ParamsSection({ draft, set, isReadOnly }: { draft: JobDraft; set: SetMember; isReadOnly: boolean }) {
  const { t } = useTranslation('jobs')
  const value = draft.params ?? {}
  const [text, setText] = useState(() => JSON.stringify(value, null, 2))
  const parsed = parseObject(text)
  // Changed from outside this editor.
  if ('value' in parsed && !isSame(parsed.value, value)) setText(JSON.stringify(value, null, 2))
  const error = useFieldError('params')
  const syntax =
    'problem' in parsed && parsed.problem !== 'empty' ? t(`json.${parsed.problem}`, { message: 'message' in parsed ? parsed.message : '' }) : undefined
  const change = (next: string): void => {
    setText(next)
    const object = parseObject(next)
    // Until it is JSON again the last good one stays.
    if ('value' in object) set('params', object.value)
    else if (object.problem === 'empty') set('params', {})
  }
  return (
    <Section title={t('section.params')}>
      <Field path="params" label={t('field.params')} hint={syntax ?? t('hint.params')} style={{ marginBottom: 0 }}>
        {() => (
          <CodeEditor
            value={text}
            onChange={change}
            language="json"
            label={t('field.params')}
            isReadOnly={isReadOnly}
            isInvalid={syntax !== undefined || error !== undefined}
            minHeight={80}
            maxHeight={360}
          />
        )}
      </Field>
    </Section>
  )
}
