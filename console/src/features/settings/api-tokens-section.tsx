import { PlusOutlined } from '@ant-design/icons'
import { useQuery } from '@tanstack/react-query'
import { Button, Form, Input, Select, Tag } from 'antd'
import type { ColumnsType } from 'antd/es/table'
import { useState } from 'react'
import { useTranslation } from 'react-i18next'
import { type ApiTokenCreated, type ApiTokenView, CreateApiToken, type Role, ROLES } from '@jobtrail/api/auth'
import { apiTokensQuery, useCreateApiToken } from '../../api/tokens'
import { useNamespace } from '../../app/namespace'
import { useSession } from '../../app/session'
import { forgetErrors, FormProblem, parseForm, showFieldErrors } from '../../ui/form-problem'
import { RelativeTime, Time } from '../../ui/relative-time'
import { EmptyState, ErrorState } from '../../ui/states'
import { SectionFrame } from './section-frame'
import { RevokeToken, TokenState } from './token-parts'
import { TokenShownOnce } from './token-shown-once'
import { Dialog } from '../../ui/dialog'
import { ScrollTable } from '../../ui/scroll-table'

const DAYS = [7, 30, 90, 365] as const
const DAY_MS = 86_400_000
type Values = { name: string; role: Role; days: number }

function NewApiToken({ namespace, onClose, onMade }: { namespace: string; onClose: () => void; onMade: (token: ApiTokenCreated) => void }) {
  const { t } = useTranslation('settings')
  const { t: common } = useTranslation()
  const { can } = useSession()
  const [form] = Form.useForm<Values>()
  const create = useCreateApiToken()
  const save = ({ name, role, days }: Values) => {
    const body = parseForm(form, CreateApiToken, {
      namespace,
      name,
      role,
      ...(days === 0 ? {} : { expiresAt: new Date(Date.now() + days * DAY_MS).toISOString() }),
    })
    if (body !== undefined) create.mutate(body, { onSuccess: onMade, onError: (error) => showFieldErrors(form, error) })
  }
  return (
    <Dialog
      title={t('token.newApi', { namespace })}
      okText={common('actions.create')}
      onOk={() => form.submit()}
      onCancel={onClose}
      confirmLoading={create.isPending}
    >
      <FormProblem error={create.error} />
      <Form<Values>
        name="api-token"
        form={form}
        layout="vertical"
        onFinish={save}
        onValuesChange={forgetErrors(form)}
        initialValues={{ name: '', role: 'operator', days: 90 }}
      >
        <Form.Item label={t('token.name')} name="name" required extra={t('token.nameNote')}>
          <Input autoFocus autoComplete="off" spellCheck={false} />
        </Form.Item>
        <Form.Item label={t('role')} name="role">
          <Select
            options={ROLES.filter((role) => can(namespace, role)).map((role) => ({
              value: role,
              label: `${common(`role.${role}`)} – ${t(`roleMay.${role}`)}`,
            }))}
          />
        </Form.Item>
        <Form.Item label={t('token.expires')} name="days">
          <Select options={[...DAYS.map((days) => ({ value: days, label: t('token.days', { count: days }) })), { value: 0, label: t('token.never') }]} />
        </Form.Item>
      </Form>
    </Dialog>
  )
}

export default function ApiTokensSection() {
  const { t } = useTranslation('settings')
  const { t: common } = useTranslation()
  const { namespace } = useNamespace()
  const tokens = useQuery(apiTokensQuery(namespace))
  const [isNew, setIsNew] = useState(false)
  const [made, setMade] = useState<ApiTokenCreated>()
  const columns: ColumnsType<ApiTokenView> = [
    { title: t('token.name'), dataIndex: 'name', render: (_, { name }) => <strong>{name}</strong> },
    { title: t('role'), key: 'role', render: (_, { role }) => <Tag>{common(`role.${role}`)}</Tag> },
    { title: t('state'), key: 'state', render: (_, token) => <TokenState {...token} /> },
    { title: t('token.expires'), key: 'expires', render: (_, { expiresAt }) => (expiresAt === null ? t('token.never') : <Time at={expiresAt} />) },
    { title: t('token.lastUsed'), key: 'lastUsed', render: (_, { lastUsedAt }) => (lastUsedAt === null ? '–' : <RelativeTime at={lastUsedAt} />) },
    { title: t('created'), key: 'created', render: (_, { createdAt }) => <Time at={createdAt} /> },
    {
      title: <span className="jt-hidden">{common('actions.column')}</span>,
      key: 'actions',
      align: 'right',
      render: (_, token) => <RevokeToken kind="api-tokens" token={token} />,
    },
  ]
  return (
    <SectionFrame
      title={t('sections.api-tokens')}
      text={t('token.apiText', { namespace })}
      action={
        <Button type="primary" icon={<PlusOutlined />} onClick={() => setIsNew(true)}>
          {t('token.new')}
        </Button>
      }
    >
      {tokens.isError && tokens.data === undefined ? (
        <ErrorState error={tokens.error} retry={() => void tokens.refetch()} />
      ) : (
        <ScrollTable<ApiTokenView>
          label={t('sections.api-tokens')}
          rowKey="id"
          size="middle"
          columns={columns}
          dataSource={tokens.data?.items ?? []}
          loading={tokens.isPending}
          pagination={false}
          locale={{ emptyText: <EmptyState title={t('token.empty')} text={t('token.apiEmptyText')} /> }}
        />
      )}
      {isNew && (
        <NewApiToken
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
          hint={`curl -H 'Authorization: Bearer …' ${location.origin}/api/jobs`}
          onClose={() => setMade(undefined)}
        />
      )}
    </SectionFrame>
  )
}
