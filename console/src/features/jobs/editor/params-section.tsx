import { useState } from 'react'
import { useTranslation } from 'react-i18next'
import { stringifyExact } from '@jobtrail/api/exact-json'
import type { JobDraft } from '../logic/job-draft'
import { isSame } from '../logic/job-draft'
import { objectProblem, parseObject } from '../logic/json-object'
import { useProblemText } from '../use-problem-text'
import { CodeEditor } from './code-editor'
import { Field, useFieldError } from './field'
import { Section } from './section'
import type { SetMember } from './use-job-editor'

/** No text means no params. */
const problemOf = (text: string): string | undefined => (text.trim() === '' ? undefined : objectProblem(parseObject(text)))

type Props = { draft: JobDraft; set: SetMember; setUnparsed: (path: string, problem: string | undefined) => void; isReadOnly: boolean }

export function ParamsSection({ draft, set, setUnparsed, isReadOnly }: Props) {
  const { t } = useTranslation('jobs')
  const problemText = useProblemText()
  const value = draft.params ?? {}
  const [text, setText] = useState(() => stringifyExact(value, 2))
  const parsed = parseObject(text)
  // Changed from outside this editor.
  if ('value' in parsed && !isSame(parsed.value, value)) setText(stringifyExact(value, 2))
  const error = useFieldError('params')
  const syntax = problemOf(text)
  const change = (next: string): void => {
    setText(next)
    const object = parseObject(next)
    setUnparsed('params', problemOf(next))
    if ('value' in object) set('params', object.value)
    else if (next.trim() === '') set('params', {})
  }
  return (
    <Section title={t('section.params')}>
      <Field path="params" label={t('field.params')} hint={syntax === undefined ? t('hint.params') : problemText(syntax)} style={{ marginBottom: 0 }}>
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
