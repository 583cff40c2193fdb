import { PlusOutlined } from '@ant-design/icons'
import { useQuery } from '@tanstack/react-query'
import { Button, Form, Input } from 'antd'
import type { ColumnsType } from 'antd/es/table'
import { useState } from 'react'
import { useTranslation } from 'react-i18next'
import { CreateWorkerToken, type WorkerTokenCreated, type WorkerTokenView } from '@jobtrail/api/auth'
import { useCreateWorkerToken, workerTokensQuery } from '../../api/tokens'
import { useNamespace } from '../../app/namespace'
import { forgetErrors, FormProblem, parseForm, showFieldErrors } from '../../ui/form-problem'
import { Time } from '../../ui/relative-time'
import { EmptyState, ErrorState } from '../../ui/states'
import { SectionFrame } from './section-frame'
import { RevokeToken, TokenState } from './token-parts'
import { TokenShownOnce } from './token-shown-once'
import { Dialog } from '../../ui/dialog'
import { ScrollTable } from '../../ui/scroll-table'
import { workerCommand } from '../../ui/worker-commands'

type Values = { name: string; group?: string }

function NewWorkerToken({ namespace, onClose, onMade }: { namespace: string; onClose: () => void; onMade: (token: WorkerTokenCreated) => void }) {
  const { t } = useTranslation('settings')
  const { t: common } = useTranslation()
  const [form] = Form.useForm<Values>()
  const create = useCreateWorkerToken()
  const save = ({ name, group }: Values) => {
    const body = parseForm(form, CreateWorkerToken, { namespace, name, ...(group === undefined || group === '' ? {} : { group }) })
    if (body !== undefined) create.mutate(body, { onSuccess: onMade, onError: (error) => showFieldErrors(form, error) })
  }
  return (
    <Dialog
      title={t('token.newWorker', { namespace })}
      okText={common('actions.create')}
      onOk={() => form.submit()}
      onCancel={onClose}
      confirmLoading={create.isPending}
    >
      <FormProblem error={create.error} />
      <Form<Values>
        name="worker-token"
        form={form}
        layout="vertical"
        onFinish={save}
        onValuesChange={forgetErrors(form)}
        initialValues={{ name: '', group: '' }}
      >
        <Form.Item label={t('token.name')} name="name" required>
          <Input autoFocus autoComplete="off" spellCheck={false} />
        </Form.Item>
        <Form.Item label={t('token.group')} name="group" extra={t('token.groupNote')}>
          <Input autoComplete="off" spellCheck={false} />
        </Form.Item>
      </Form>
    </Dialog>
  )
}

export default function WorkerTokensSection() {
  const { t } = useTranslation('settings')
  const { t: common } = useTranslation()
  const { namespace } = useNamespace()
  const tokens = useQuery(workerTokensQuery(namespace))
  const [isNew, setIsNew] = useState(false)
  const [made, setMade] = useState<WorkerTokenCreated>()
  const columns: ColumnsType<WorkerTokenView> = [
    { title: t('token.name'), dataIndex: 'name', render: (_, { name }) => <strong>{name}</strong> },
    { title: t('token.group'), key: 'group', render: (_, { group }) => group ?? t('token.anyGroup') },
    { title: t('state'), key: 'state', render: (_, token) => <TokenState revokedAt={token.revokedAt} /> },
    { title: t('created'), key: 'created', render: (_, { createdAt }) => <Time at={createdAt} /> },
    {
      title: <span className="jt-hidden">{common('actions.column')}</span>,
      key: 'actions',
      align: 'right',
      render: (_, token) => <RevokeToken kind="worker-tokens" token={token} />,
    },
  ]
  return (
    <SectionFrame
      title={t('sections.worker-tokens')}
      text={t('token.workerText', { namespace })}
      action={
        <Button type="primary" icon={<PlusOutlined />} onClick={() => setIsNew(true)}>
          {t('token.new')}
        </Button>
      }
    >
      {tokens.isError && tokens.data === undefined ? (
        <ErrorState error={tokens.error} retry={() => void tokens.refetch()} />
      ) : (
        <ScrollTable<WorkerTokenView>
          label={t('sections.worker-tokens')}
          rowKey="id"
          size="middle"
          columns={columns}
          dataSource={tokens.data?.items ?? []}
          loading={tokens.isPending}
          pagination={false}
          locale={{ emptyText: <EmptyState title={t('token.empty')} text={t('token.workerEmptyText')} /> }}
        />
      )}
      {isNew && (
        <NewWorkerToken
          namespace={namespace}
          onClose={() => setIsNew(false)}
          onMade={(token) => {
            setIsNew(false)
            setMade(token)
          }}
        />
      )}
      {made !== undefined && (
        <TokenShownOnce
          name={made.name}
          token={made.token}
          hint={workerCommand('npm', location.origin, made.group ?? undefined)}
          onClose={() => setMade(undefined)}
        />
      )}
    </SectionFrame>
  )
}
