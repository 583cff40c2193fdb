import { PlusOutlined } from '@ant-design/icons'
import { useQuery } from '@tanstack/react-query'
import { Badge, Button, Flex, Tag } from 'antd'
import type { ColumnsType } from 'antd/es/table'
import { useState } from 'react'
import { useTranslation } from 'react-i18next'
import { ALL_NAMESPACES, type UserView } from '@jobtrail/api/auth'
import { useChangeUser, useDeleteUser, usersQuery } from '../../api/users'
import { useSession } from '../../app/session'
import { ConfirmButton } from '../../ui/confirm-button'
import { Time } from '../../ui/relative-time'
import { ErrorState } from '../../ui/states'
import { SectionFrame } from './section-frame'
import { UserDialog } from './user-dialog'
import { ScrollTable } from '../../ui/scroll-table'

function useColumns(edit: (user: UserView) => void): ColumnsType<UserView> {
  const { t } = useTranslation('settings')
  const { t: common } = useTranslation()
  const { name: own } = useSession()
  const change = useChangeUser()
  const remove = useDeleteUser()
  return [
    { title: t('user.name'), dataIndex: 'username', render: (_, { username }) => <strong>{username}</strong> },
    {
      title: t('user.grants'),
      key: 'grants',
      render: (_, { grants }) => (
        <Flex wrap gap={4}>
          {Object.entries(grants).map(([namespace, role]) => (
            <Tag key={namespace} color={role === 'admin' ? 'warning' : role === 'operator' ? 'blue' : 'default'}>
              {`${namespace === ALL_NAMESPACES ? t('allNamespaces') : namespace}: ${common(`role.${role}`)}`}
            </Tag>
          ))}
        </Flex>
      ),
    },
    {
      title: t('state'),
      key: 'state',
      render: (_, { disabled }) => <Badge status={disabled ? 'default' : 'success'} text={t(disabled ? 'user.disabled' : 'user.enabled')} />,
    },
    { title: t('created'), key: 'created', render: (_, { createdAt }) => <Time at={createdAt} /> },
    {
      title: <span className="jt-hidden">{common('actions.column')}</span>,
      key: 'actions',
      align: 'right',
      render: (_, user) => (
        <Flex gap={4} justify="end">
          <Button size="small" onClick={() => edit(user)} aria-label={`${common('actions.edit')}: ${user.username}`}>
            {common('actions.edit')}
          </Button>
          {user.username !== own && (
            <>
              <ConfirmButton
                size="small"
                danger={!user.disabled}
                question={t(user.disabled ? 'user.enableQuestion' : 'user.disableQuestion', { name: user.username })}
                consequence={user.disabled ? undefined : t('user.disableText')}
                onConfirm={() => change.mutateAsync({ id: user.id, change: { disabled: !user.disabled } })}
              >
                {t(user.disabled ? 'user.enable' : 'user.disable')}
              </ConfirmButton>
              <ConfirmButton
                size="small"
                question={t('user.deleteQuestion', { name: user.username })}
                consequence={t('user.deleteText')}
                onConfirm={() => remove.mutateAsync(user.id)}
              >
                {common('actions.delete')}
              </ConfirmButton>
            </>
          )}
        </Flex>
      ),
    },
  ]
}

export default function UsersSection() {
  const { t } = useTranslation('settings')
  const users = useQuery(usersQuery)
  const [edited, setEdited] = useState<UserView | 'new'>()
  const columns = useColumns(setEdited)
  return (
    <SectionFrame
      title={t('sections.users')}
      text={t('user.text')}
      action={
        <Button type="primary" icon={<PlusOutlined />} onClick={() => setEdited('new')}>
          {t('user.new')}
        </Button>
      }
    >
      {users.isError && users.data === undefined ? (
        <ErrorState error={users.error} retry={() => void users.refetch()} />
      ) : (
        <ScrollTable<UserView>
          label={t('sections.users')}
          rowKey="id"
          size="middle"
          columns={columns}
          dataSource={users.data?.items ?? []}
          loading={users.isPending}
          pagination={false}
        />
      )}
      {edited !== undefined && <UserDialog user={edited} onClose={() => setEdited(undefined)} />}
    </SectionFrame>
  )
}
