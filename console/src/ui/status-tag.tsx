import {
  CheckCircleFilled,
  ClockCircleOutlined,
  CloseCircleFilled,
  DisconnectOutlined,
  FieldTimeOutlined,
  LoadingOutlined,
  SendOutlined,
  StopOutlined,
} from '@ant-design/icons'
import { Tag } from 'antd'
import type { ReactNode } from 'react'
import { useTranslation } from 'react-i18next'
import type { AttemptStatus, InstanceStatus } from '@jobtrail/protocol/domain/statuses'

export type AnyStatus = InstanceStatus | AttemptStatus

/** Preset colours of Ant Design: readable in light and dark. Never the only sign: an icon and the word are there too. */
export const STATUS_COLOR: Record<AnyStatus, string> = {
  WAITING: 'default',
  DISPATCHED: 'cyan',
  RUNNING: 'processing',
  SUCCEEDED: 'success',
  FAILED: 'error',
  TIMED_OUT: 'warning',
  CANCELLED: 'default',
  LOST: 'magenta',
}
/** The same as solid colours, for strips and charts. */
export const STATUS_FILL: Record<AnyStatus, string> = {
  WAITING: '#8c8c8c',
  DISPATCHED: '#13a8a8',
  RUNNING: '#1677ff',
  SUCCEEDED: '#389e0d',
  FAILED: '#e5484d',
  TIMED_OUT: '#d48806',
  CANCELLED: '#a6a6a6',
  LOST: '#c41d7f',
}
export const STATUS_ICON: Record<AnyStatus, ReactNode> = {
  WAITING: <ClockCircleOutlined />,
  DISPATCHED: <SendOutlined />,
  RUNNING: <LoadingOutlined />,
  SUCCEEDED: <CheckCircleFilled />,
  FAILED: <CloseCircleFilled />,
  TIMED_OUT: <FieldTimeOutlined />,
  CANCELLED: <StopOutlined />,
  LOST: <DisconnectOutlined />,
}

/** The status of an instance or attempt: icon, colour and word. */
export function StatusTag({ status }: { status: AnyStatus }) {
  const { t } = useTranslation()
  return (
    <Tag color={STATUS_COLOR[status]} icon={STATUS_ICON[status]} style={{ marginInlineEnd: 0 }}>
      {t(`status.${status}`)}
    </Tag>
  )
}
