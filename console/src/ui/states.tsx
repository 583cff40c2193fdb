import { LockOutlined } from '@ant-design/icons'
import { Button, Empty, Result, Spin } from 'antd'
import type { ReactNode } from 'react'
import { useTranslation } from 'react-i18next'
import { isProblem, messageOf } from '../api/problem'

/** Until there is anything to show; appears late, so that quick answers do not flash. */
export function LoadingState() {
  const { t } = useTranslation()
  return (
    <div role="status" aria-label={t('states.loading')} style={{ display: 'grid', placeItems: 'center', minHeight: 240 }}>
      <Spin delay={250} size="large" />
    </div>
  )
}

/** Nothing there (yet): says why and what to do next. */
export function EmptyState({ title, text, action }: { title: string; text?: ReactNode; action?: ReactNode }) {
  return (
    <Empty
      image={Empty.PRESENTED_IMAGE_SIMPLE}
      style={{ padding: '32px 16px' }}
      description={
        <>
          <strong>{title}</strong>
          {text !== undefined && <div style={{ opacity: 0.75, marginTop: 4 }}>{text}</div>}
        </>
      }
    >
      {action}
    </Empty>
  )
}

/** What the role does not allow; says who can help. */
export function NoPermissionState({ text }: { text?: string }) {
  const { t } = useTranslation()
  return <Result icon={<LockOutlined />} title={t('states.forbidden')} subTitle={text ?? t('states.forbiddenText')} />
}

/** An error instead of content. With FORBIDDEN and NOT_FOUND it says that, else it offers to try again. */
export function ErrorState({ error, retry }: { error: unknown; retry?: () => void }) {
  const { t } = useTranslation()
  if (isProblem(error, 'FORBIDDEN')) return <NoPermissionState text={messageOf(error)} />
  if (isProblem(error, 'NOT_FOUND')) return <Result status="404" title={t('states.notFound')} subTitle={messageOf(error)} />
  const isTransient = isProblem(error) && error.isTransient
  return (
    <Result
      status={isTransient ? 'warning' : 'error'}
      title={t(isTransient ? 'states.unreachable' : 'states.error')}
      subTitle={
        <>
          {messageOf(error)}
          {isProblem(error) && error.requestId !== undefined && <div className="jt-mono">{t('states.requestId', { id: error.requestId })}</div>}
        </>
      }
      extra={
        retry !== undefined && (
          <Button type="primary" onClick={retry}>
            {t('states.retry')}
          </Button>
        )
      }
    />
  )
}
