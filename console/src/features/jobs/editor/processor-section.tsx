import { AutoComplete, Form, Input, Segmented, Select } from 'antd'
import { useState } from 'react'
import { useTranslation } from 'react-i18next'
import type { JobDraft } from '../logic/job-draft'
import { scriptLanguage } from '../logic/script-language'
import { CodeEditor } from './code-editor'
import { Field, useFieldError } from './field'
import { KeyValueList } from './key-value-list'
import { Section } from './section'
import type { SetMember } from './use-job-editor'

type ProcessorDraft = JobDraft['processor']
type Shell = Extract<ProcessorDraft, { kind: 'shell' }>
type Mode = 'script' | 'command' | 'handler'
const MODES: readonly Mode[] = ['script', 'command', 'handler']
const INTERPRETERS = ['/bin/sh', '/bin/bash', '/usr/bin/python3', 'node', '/usr/bin/perl', 'ruby', 'pwsh']

const modeOf = (processor: ProcessorDraft): Mode =>
  processor.kind === 'handler' ? 'handler' : processor.command !== undefined && processor.script === undefined ? 'command' : 'script'
const orAbsent = (text: string): string | undefined => (text === '' ? undefined : text)

export function ProcessorSection({ draft, set, handlers, isReadOnly }: { draft: JobDraft; set: SetMember; handlers: readonly string[]; isReadOnly: boolean }) {
  const { t } = useTranslation('jobs')
  const { processor } = draft
  const [former, setFormer] = useState<Partial<Record<Mode, ProcessorDraft>>>({})
  const mode = modeOf(processor)
  const change = (next: ProcessorDraft): void => set('processor', next)
  const changeMode = (next: Mode): void => {
    setFormer({ ...former, [mode]: processor })
    change(former[next] ?? firstOf(next, processor))
  }
  return (
    <Section title={t('section.processor')}>
      <Segmented
        aria-label={t('section.processor')}
        value={mode}
        options={MODES.map((value) => ({ value, label: t(`processor.${value}`) }))}
        onChange={changeMode}
        style={{ marginBottom: 16 }}
      />
      {processor.kind === 'handler' ? (
        <Field path="processor.handler" label={t('field.handler')} hint={t('hint.handler')} style={{ marginBottom: 0 }}>
          {(control) => (
            <AutoComplete
              {...control}
              value={processor.handler}
              options={handlers.map((value) => ({ value }))}
              onChange={(handler: string) => change({ kind: 'handler', handler })}
              style={{ maxWidth: 360, display: 'block' }}
            />
          )}
        </Field>
      ) : (
        <>
          {mode === 'script' ? <ScriptFields shell={processor} change={change} isReadOnly={isReadOnly} /> : <CommandFields shell={processor} change={change} />}
          <Form.Item label={t('field.env')} extra={t('hint.env')} style={{ marginBottom: 16 }}>
            <KeyValueList
              path="processor.env"
              label={t('field.env')}
              value={processor.env ?? {}}
              onChange={(env) => change({ ...processor, env: Object.keys(env).length === 0 ? undefined : env })}
            />
          </Form.Item>
          <Field path="processor.cwd" label={t('field.cwd')} hint={t('hint.cwd')} style={{ marginBottom: 0 }}>
            {(control) => (
              <Input
                {...control}
                className="jt-mono"
                value={processor.cwd ?? ''}
                onChange={(event) => change({ ...processor, cwd: orAbsent(event.target.value) })}
                style={{ maxWidth: 480, display: 'block' }}
              />
            )}
          </Field>
        </>
      )}
    </Section>
  )
}

function firstOf(mode: Mode, before: ProcessorDraft): ProcessorDraft {
  const shared = before.kind === 'shell' ? { env: before.env, cwd: before.cwd } : {}
  switch (mode) {
    case 'script':
      return { kind: 'shell', script: '#!/bin/sh\nset -eu\n', ...shared }
    case 'command':
      return { kind: 'shell', command: '', ...shared }
    case 'handler':
      return { kind: 'handler', handler: '' }
  }
}

function ScriptFields({ shell, change, isReadOnly }: { shell: Shell; change: (processor: ProcessorDraft) => void; isReadOnly: boolean }) {
  const { t } = useTranslation('jobs')
  const script = shell.script ?? ''
  const isInvalid = useFieldError('processor.script') !== undefined
  return (
    <>
      <Field path="processor.interpreter" label={t('field.interpreter')} hint={t('hint.interpreter')}>
        {(control) => (
          <AutoComplete
            {...control}
            className="jt-mono"
            value={shell.interpreter ?? ''}
            placeholder="/bin/sh"
            options={INTERPRETERS.map((value) => ({ value }))}
            onChange={(interpreter: string) => change({ ...shell, interpreter: orAbsent(interpreter) })}
            style={{ width: 360, maxWidth: '100%' }}
          />
        )}
      </Field>
      <Field path="processor.script" label={t('field.script')} hint={isReadOnly ? undefined : t('hint.script')}>
        {() => (
          <CodeEditor
            value={script}
            onChange={(next) => change({ ...shell, script: next })}
            language={scriptLanguage(shell.interpreter, script)}
            label={t('field.script')}
            isReadOnly={isReadOnly}
            isInvalid={isInvalid}
            minHeight={180}
            maxHeight={560}
          />
        )}
      </Field>
    </>
  )
}

function CommandFields({ shell, change }: { shell: Shell; change: (processor: ProcessorDraft) => void }) {
  const { t } = useTranslation('jobs')
  return (
    <>
      <Field path="processor.command" label={t('field.command')} hint={t('hint.command')}>
        {(control) => (
          <Input
            {...control}
            className="jt-mono"
            value={shell.command ?? ''}
            placeholder="/usr/bin/rsync"
            onChange={(event) => change({ ...shell, command: event.target.value })}
            style={{ maxWidth: 480, display: 'block' }}
          />
        )}
      </Field>
      <Field path="processor.args" label={t('field.args')} hint={t('hint.args')}>
        {(control) => (
          <Select
            {...control}
            mode="tags"
            open={false}
            suffixIcon={null}
            className="jt-mono"
            value={shell.args ?? []}
            onChange={(args: string[]) => change({ ...shell, args: args.length === 0 ? undefined : args })}
            style={{ width: '100%' }}
          />
        )}
      </Field>
    </>
  )
}
