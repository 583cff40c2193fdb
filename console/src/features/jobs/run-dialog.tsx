import { useQueryClient } from '@tanstack/react-query'
import { Alert, App, Form, InputNumber, Select, Space } from 'antd'
import { useState } from 'react'
import { useTranslation } from 'react-i18next'
import { useNavigate } from 'react-router'
import { type JobView, RunJob } from '@jobtrail/api/jobs'
import { stringifyExact, type UserObject } from '@jobtrail/api/exact-json'
import { refreshInstances } from '../../api/instances'
import { runJob } from '../../api/jobs'
import { isProblem, messageOf } from '../../api/problem'
import { exactDuration } from './logic/exact-duration'
import { CodeEditor } from './editor/code-editor'
import { errorsOfIssues, errorsOfProblem, type FieldErrors } from './logic/field-path'
import { objectProblem, parseObject } from './logic/json-object'
import { useProblemText } from './use-problem-text'
import { Dialog } from '../../ui/dialog'
import { randomUuid } from '../../ui/random-uuid'

const UNITS = { s: 1_000, m: 60_000, h: 3_600_000 } as const
type Unit = keyof typeof UNITS

/** Runs a job once, with other params or later; then shows the run. */
export function RunDialog({
  job,
  params = job.params,
  close,
}: {
  job: Pick<JobView, 'id' | 'name' | 'params' | 'enabled'>
  params?: UserObject
  close: () => void
}) {
  const { t } = useTranslation('jobs')
  const problemText = useProblemText()
  const { message } = App.useApp()
  const navigate = useNavigate()
  const client = useQueryClient()
  const [text, setText] = useState(() => stringifyExact(params, 2))
  const [delay, setDelay] = useState(0)
  const [unit, setUnit] = useState<Unit>('s')
  const [problem, setProblem] = useState<string>()
  const [isBusy, setIsBusy] = useState(false)
  // Made with the dialog: pressing twice, or again after no answer came, makes one run.
  const [idempotencyKey] = useState(() => randomUuid())
  const parsed = parseObject(text)
  const wrong = text.trim() === '' ? undefined : objectProblem(parsed)
  const syntax = wrong === undefined ? undefined : problemText(wrong)
  const tell = (fields: FieldErrors): void =>
    setProblem(
      Object.entries(fields)
        .map(([path, each]) => `${path}: ${problemText(each)}`)
        .join('; '),
    )

  const run = async (): Promise<void> => {
    const body = { params: 'value' in parsed ? parsed.value : {}, delayMs: Math.round(delay * UNITS[unit]), idempotencyKey }
    const checked = RunJob.safeParse(body)
    if (!checked.success) return tell(errorsOfIssues(checked.error.issues))
    setIsBusy(true)
    try {
      const { instanceId } = await runJob(job.id, body)
      void refreshInstances(client)
      void message.success(t('run.started', { name: job.name }))
      close()
      await navigate(`/instances/${instanceId}`)
    } catch (error) {
      if (isProblem(error) && error.errors.length > 0) tell(errorsOfProblem(error.errors))
      else setProblem(messageOf(error))
      setIsBusy(false)
    }
  }
  return (
    <Dialog
      width={640}
      title={t('run.title', { name: job.name })}
      okText={delay > 0 ? t('run.later', { delay: exactDuration(delay * UNITS[unit]) }) : t('run.now')}
      cancelText={t('common:actions.cancel')}
      okButtonProps={{ disabled: syntax !== undefined, loading: isBusy }}
      onOk={() => void run()}
      onCancel={close}
    >
      <Form layout="vertical">
        {problem !== undefined && <Alert type="error" showIcon title={problem} style={{ marginBottom: 12 }} />}
        {!job.enabled && <Alert type="info" showIcon title={t('run.disabled')} style={{ marginBottom: 12 }} />}
        <Form.Item label={t('run.params')} extra={t('run.paramsHint')} validateStatus={syntax === undefined ? '' : 'error'} help={syntax}>
          <CodeEditor
            value={text}
            onChange={setText}
            language="json"
            label={t('run.params')}
            isReadOnly={false}
            isInvalid={syntax !== undefined}
            minHeight={120}
            maxHeight={320}
          />
        </Form.Item>
        <Form.Item label={t('run.delay')} htmlFor="run-delay" extra={t('run.delayHint')}>
          <Space.Compact>
            <InputNumber id="run-delay" min={0} max={366 * 24 * 3_600} value={delay} onChange={(value) => setDelay(value ?? 0)} />
            <Select
              aria-label={t('run.unit')}
              value={unit}
              onChange={setUnit}
              options={(Object.keys(UNITS) as Unit[]).map((value) => ({ value, label: t(`unit.${value}`) }))}
              style={{ width: 110 }}
            />
          </Space.Compact>
        </Form.Item>
      </Form>
    </Dialog>
  )
}
