import { InboxOutlined } from '@ant-design/icons'
import { useQueryClient } from '@tanstack/react-query'
import { Alert, Button, Table, Tag, Typography, Upload } from 'antd'
import { useState } from 'react'
import { useTranslation } from 'react-i18next'
import { createJob, refreshJobs } from '../../api/jobs'
import { messageOf } from '../../api/problem'
import { createOf } from './logic/job-draft'
import { upstreamFirst, withNewUpstream } from './logic/job-order'
import { type ImportedJob, importOf, parseJobsJson } from './logic/transfer'
import { useProblemText } from './use-problem-text'
import { Dialog } from '../../ui/dialog'

type Row = ImportedJob & { key: number; outcome?: 'created' | { failed: string } }
const MAX_BYTES = 5_000_000

async function readFile(file: File): Promise<ImportedJob[]> {
  if (file.size > MAX_BYTES) throw new RangeError('tooLarge')
  const text = await file.text()
  const json = parseJobsJson(text)
  if (json !== undefined) return importOf(json)
  const { parse } = await import('yaml')
  return importOf(parse(text, { maxAliasCount: 100 }))
}

/** Makes jobs from a file: shows first what is in it and what is wrong with it. */
export function ImportDialog({ namespace, close }: { namespace: string; close: () => void }) {
  const { t } = useTranslation('jobs')
  const client = useQueryClient()
  const [rows, setRows] = useState<Row[]>()
  const [problem, setProblem] = useState<string>()
  const [isBusy, setIsBusy] = useState(false)
  const ready = rows?.filter((row) => Object.keys(row.errors).length === 0 && row.outcome !== 'created') ?? []

  const read = async (file: File): Promise<void> => {
    setProblem(undefined)
    try {
      setRows((await readFile(file)).map((job, key) => ({ ...job, key })))
    } catch (error) {
      setRows(undefined)
      setProblem(error instanceof RangeError ? t(`import.${error.message}`) : t('import.syntax', { message: messageOf(error) }))
    }
  }
  const create = async (): Promise<void> => {
    setIsBusy(true)
    const newIds = new Map<string, string>()
    for (const row of upstreamFirst(ready, ({ id, draft }) => ({ id, trigger: draft.trigger }))) {
      let outcome: Row['outcome']
      try {
        const job = await createJob(createOf(withNewUpstream(row.draft, newIds), namespace))
        if (row.id !== undefined) newIds.set(row.id, job.id)
        outcome = 'created'
      } catch (error) {
        outcome = { failed: messageOf(error) }
      }
      setRows((former) => former?.map((each) => (each.key === row.key ? { ...each, outcome } : each)))
    }
    setIsBusy(false)
    await refreshJobs(client)
  }
  return (
    <Dialog
      width={720}
      title={t('import.title', { namespace })}
      onCancel={close}
      footer={[
        <Button key="close" onClick={close}>
          {t('common:actions.close')}
        </Button>,
        <Button key="create" type="primary" disabled={ready.length === 0} loading={isBusy} onClick={() => void create()}>
          {t('import.create', { count: ready.length })}
        </Button>,
      ]}
    >
      <Upload.Dragger
        accept=".json,.yaml,.yml"
        showUploadList={false}
        beforeUpload={(file) => {
          void read(file)
          return false
        }}
      >
        <InboxOutlined style={{ fontSize: 28 }} />
        <div>{t('import.drop')}</div>
      </Upload.Dragger>
      {problem !== undefined && <Alert type="error" showIcon title={problem} style={{ marginTop: 12 }} />}
      {rows !== undefined && (
        <Table
          size="small"
          style={{ marginTop: 12 }}
          rowKey="key"
          dataSource={rows}
          pagination={rows.length > 10 ? { pageSize: 10 } : false}
          columns={[
            { title: t('field.name'), dataIndex: 'name', width: 200, render: (name: string) => <span style={{ overflowWrap: 'anywhere' }}>{name}</span> },
            { title: t('import.state'), render: (_, row) => <ImportState row={row} /> },
          ]}
        />
      )}
    </Dialog>
  )
}

function ImportState({ row }: { row: Row }) {
  const { t } = useTranslation('jobs')
  const problemText = useProblemText()
  const errors = Object.entries(row.errors)
  if (errors.length > 0)
    return (
      <ul style={{ margin: 0, paddingInlineStart: 16 }}>
        {errors.map(([path, message]) => (
          <li key={path}>
            <Typography.Text type="danger">
              <span className="jt-mono">{path}</span> {problemText(message)}
            </Typography.Text>
          </li>
        ))}
      </ul>
    )
  if (row.outcome === 'created') return <Tag color="success">{t('import.created')}</Tag>
  if (row.outcome !== undefined) return <Typography.Text type="danger">{row.outcome.failed}</Typography.Text>
  return (
    <>
      <Tag>{t('import.ready')}</Tag>
      {row.droppedSecrets.length > 0 && <Typography.Text type="warning">{t('import.secrets', { names: row.droppedSecrets.join(', ') })}</Typography.Text>}
    </>
  )
}
