import { PlusOutlined } from '@ant-design/icons'
import { useQuery } from '@tanstack/react-query'
import { Button, Form, Input, Tag } from 'antd'
import type { ColumnsType } from 'antd/es/table'
import { useState } from 'react'
import { useTranslation } from 'react-i18next'
import { Link } from 'react-router'
import { ALL_NAMESPACES, CreateNamespace, type NamespaceView, type Role, ROLES } from '@jobtrail/api/auth'
import { namespacesQuery, useCreateNamespace, useDeleteNamespace } from '../../api/namespaces'
import { useSession } from '../../app/session'
import { ConfirmButton } from '../../ui/confirm-button'
import { forgetErrors, FormProblem, parseForm, showFieldErrors } from '../../ui/form-problem'
import { Time } from '../../ui/relative-time'
import { ErrorState } from '../../ui/states'
import { SectionFrame } from './section-frame'
import { Dialog } from '../../ui/dialog'
import { ScrollTable } from '../../ui/scroll-table'

function NewNamespace({ onClose }: { onClose: () => void }) {
  const { t } = useTranslation('settings')
  const { t: common } = useTranslation()
  const [form] = Form.useForm<{ name: string; description: string }>()
  const create = useCreateNamespace()
  const save = (values: unknown) => {
    const body = parseForm(form, CreateNamespace, values)
    if (body !== undefined) create.mutate(body, { onSuccess: onClose, onError: (error) => showFieldErrors(form, error) })
  }
  return (
    <Dialog title={t('ns.new')} okText={common('actions.create')} onOk={() => form.submit()} onCancel={onClose} confirmLoading={create.isPending}>
      <FormProblem error={create.error} />
      <Form name="namespace" form={form} layout="vertical" onFinish={save} onValuesChange={forgetErrors(form)} initialValues={{ name: '', description: '' }}>
        <Form.Item label={t('ns.name')} name="name" required>
          <Input autoFocus autoComplete="off" spellCheck={false} />
        </Form.Item>
        <Form.Item label={t('ns.description')} name="description">
          <Input.TextArea autoSize={{ minRows: 2 }} />
        </Form.Item>
      </Form>
    </Dialog>
  )
}

export default function NamespacesSection() {
  const { t } = useTranslation('settings')
  const { t: common } = useTranslation()
  const { can } = useSession()
  const namespaces = useQuery(namespacesQuery)
  const remove = useDeleteNamespace()
  const [isNew, setIsNew] = useState(false)
  const isAdmin = can(ALL_NAMESPACES, 'admin')
  const roleIn = (namespace: string): Role | undefined => ROLES.findLast((role) => can(namespace, role))
  const columns: ColumnsType<NamespaceView> = [
    {
      title: t('ns.name'),
      dataIndex: 'name',
      render: (_, { name }) => (
        <Link to={`/jobs?ns=${encodeURIComponent(name)}`}>
          <strong>{name}</strong>
        </Link>
      ),
    },
    { title: t('ns.description'), dataIndex: 'description' },
    {
      title: t('ns.role'),
      key: 'role',
      render: (_, { name }) => {
        const role = roleIn(name)
        return role === undefined ? '–' : <Tag>{common(`role.${role}`)}</Tag>
      },
    },
    { title: t('created'), key: 'created', render: (_, { createdAt }) => <Time at={createdAt} /> },
    ...(isAdmin
      ? [
          {
            title: <span className="jt-hidden">{common('actions.column')}</span>,
            key: 'actions',
            align: 'right' as const,
            render: (_: unknown, { name }: NamespaceView) => (
              <ConfirmButton
                size="small"
                question={t('ns.deleteQuestion', { name })}
                consequence={t('ns.deleteText')}
                onConfirm={() => remove.mutateAsync(name)}
              >
                {common('actions.delete')}
              </ConfirmButton>
            ),
          },
        ]
      : []),
  ]
  return (
    <SectionFrame
      title={t('sections.namespaces')}
      text={t('ns.text')}
      action={
        isAdmin && (
          <Button type="primary" icon={<PlusOutlined />} onClick={() => setIsNew(true)}>
            {t('ns.new')}
          </Button>
        )
      }
    >
      {namespaces.isError && namespaces.data === undefined ? (
        <ErrorState error={namespaces.error} retry={() => void namespaces.refetch()} />
      ) : (
        <ScrollTable<NamespaceView>
          label={t('sections.namespaces')}
          rowKey="name"
          size="middle"
          columns={columns}
          dataSource={namespaces.data?.items ?? []}
          loading={namespaces.isPending}
          pagination={false}
        />
      )}
      {isNew && <NewNamespace onClose={() => setIsNew(false)} />}
    </SectionFrame>
  )
}
