import { ApiOutlined, DisconnectOutlined, LoadingOutlined } from '@ant-design/icons'
import { Tag } from 'antd'
import { useTranslation } from 'react-i18next'
import { useLiveState } from './use-log-store'

const LOOK = {
  connecting: { color: 'default', icon: <LoadingOutlined /> },
  connected: { color: 'success', icon: <ApiOutlined /> },
  lost: { color: 'warning', icon: <LoadingOutlined /> },
  refused: { color: 'error', icon: <DisconnectOutlined /> },
} as const

/** Whether lines arrive as they are written. */
export function LiveBadge() {
  const { t } = useTranslation('log')
  const state = useLiveState()
  return (
    <Tag color={LOOK[state].color} icon={LOOK[state].icon} role="status" title={t(`live.${state}Hint`)}>
      {t(`live.${state}`)}
    </Tag>
  )
}
