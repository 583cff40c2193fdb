import { ApartmentOutlined, ClusterOutlined, DashboardOutlined, HistoryOutlined, ScheduleOutlined, SettingOutlined } from '@ant-design/icons'
import { Menu } from 'antd'
import { useTranslation } from 'react-i18next'
import { Link, useLocation } from 'react-router'
import { useNamespace } from './namespace'

const ITEMS = [
  { path: '/', key: 'overview', icon: <DashboardOutlined /> },
  { path: '/jobs', key: 'jobs', icon: <ScheduleOutlined /> },
  { path: '/instances', key: 'instances', icon: <HistoryOutlined /> },
  { path: '/workers', key: 'workers', icon: <ApartmentOutlined /> },
  { path: '/servers', key: 'servers', icon: <ClusterOutlined /> },
  { path: '/settings', key: 'settings', icon: <SettingOutlined /> },
] as const

export function Navigation() {
  const { t } = useTranslation()
  const { pathname } = useLocation()
  const { namespace } = useNamespace()
  const current = ITEMS.findLast(({ path }) => pathname === path || (path !== '/' && pathname.startsWith(`${path}/`)))
  return (
    <nav aria-label={t('nav.main')} className="jt-nav">
      <Menu
        mode="inline"
        selectedKeys={current === undefined ? [] : [current.key]}
        style={{ borderInlineEnd: 'none' }}
        items={ITEMS.map(({ path, key, icon }) => ({
          key,
          icon,
          label: (
            <Link to={`${path}?ns=${encodeURIComponent(namespace)}`} aria-current={current?.key === key ? 'page' : undefined}>
              {t(`nav.${key}`)}
            </Link>
          ),
        }))}
      />
    </nav>
  )
}
