import { Alert } from 'antd'
import { useState } from 'react'
import { useTranslation } from 'react-i18next'
import { stringifyExact } from '@jobtrail/api/exact-json'
import type { FieldErrors } from '../logic/field-path'
import { isSame, type JobDraft } from '../logic/job-draft'
import { useProblemText } from '../use-problem-text'
import { objectProblem, parseDefinition } from '../logic/json-object'
import { CodeEditor } from './code-editor'

type Props = {
  draft: JobDraft
  replace: (draft: JobDraft) => void
  problems: FieldErrors
  isReadOnly: boolean
  onSyntax: (problem: string | undefined) => void
}

/** The whole definition as JSON. What is typed is taken as soon as it is JSON; what the schema says of it is listed. */
export function JsonView({ draft, replace, problems, isReadOnly, onSyntax }: Props) {
  const { t } = useTranslation('jobs')
  const problemText = useProblemText()
  // It scrolls in itself, so that what is wrong stays in sight above it.
  const [height] = useState(() => Math.max(360, window.innerHeight - 250))
  const [text, setText] = useState(() => stringifyExact(draft, 2))
  const parsed = parseDefinition(text)
  if ('value' in parsed && !isSame(parsed.value, draft)) setText(stringifyExact(draft, 2))
  const change = (next: string): void => {
    setText(next)
    const object = parseDefinition(next)
    onSyntax(objectProblem(object))
    if ('value' in object) replace(object.value as JobDraft)
  }
  const syntax = objectProblem(parsed)
  const list = Object.entries(problems)
  return (
    <>
      <div aria-live="polite" style={{ marginBottom: 12 }}>
        {syntax !== undefined ? (
          <Alert type="error" showIcon title={problemText(syntax)} />
        ) : list.length > 0 ? (
          <Alert
            type="error"
            showIcon
            title={t('json.problems', { count: list.length })}
            description={
              <ul style={{ margin: 0, paddingInlineStart: 20 }}>
                {list.map(([path, message]) => (
                  <li key={path}>
                    <span className="jt-mono">{path}</span> {problemText(message)}
                  </li>
                ))}
              </ul>
            }
          />
        ) : (
          <Alert type={isReadOnly ? 'info' : 'success'} showIcon title={t(isReadOnly ? 'json.readOnly' : 'json.fine')} />
        )}
      </div>
      <CodeEditor
        value={text}
        onChange={change}
        language="json"
        label={t('json.label')}
        isReadOnly={isReadOnly}
        isInvalid={syntax !== undefined || list.length > 0}
        minHeight={360}
        maxHeight={height}
      />
    </>
  )
}
