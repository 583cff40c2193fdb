import { Menu } from 'antd'
import { type ComponentType, lazy, Suspense } from 'react'
import { useTranslation } from 'react-i18next'
import { Link, Navigate, useParams } from 'react-router'
import { ALL_NAMESPACES } from '@jobtrail/api/auth'
import { useNamespace } from '../../app/namespace'
import { useSession, type UserSession } from '../../app/session'
import { PageHeader } from '../../ui/page-header'
import { LoadingState, NoPermissionState } from '../../ui/states'
import './settings.css'

type Section = { key: string; page: ComponentType; isAllowed: (session: UserSession, namespace: string) => boolean }

const isAdminEverywhere: Section['isAllowed'] = ({ can }) => can(ALL_NAMESPACES, 'admin')
const isAdminHere: Section['isAllowed'] = ({ can }, namespace) => can(namespace, 'admin')

const SECTIONS: readonly Section[] = [
  { key: 'users', page: lazy(() => import('./users-section')), isAllowed: isAdminEverywhere },
  { key: 'namespaces', page: lazy(() => import('./namespaces-section')), isAllowed: () => true },
  { key: 'api-tokens', page: lazy(() => import('./api-tokens-section')), isAllowed: isAdminHere },
  { key: 'worker-tokens', page: lazy(() => import('./worker-tokens-section')), isAllowed: isAdminHere },
  { key: 'retention', page: lazy(() => import('./retention-section')), isAllowed: isAdminHere },
  { key: 'audit', page: lazy(() => import('./audit-section')), isAllowed: isAdminHere },
]

/** Sections by `/settings/:section`; those that the role may not use are not offered. */
export default function SettingsPage() {
  const { t } = useTranslation('settings')
  const { section } = useParams()
  const session = useSession()
  const { namespace } = useNamespace()
  const allowed = SECTIONS.filter(({ isAllowed }) => isAllowed(session, namespace))
  const current = SECTIONS.find(({ key }) => key === section)
  if (current === undefined) return <Navigate replace to={`/settings/${allowed[0]?.key ?? 'namespaces'}`} />
  const Page = current.page
  return (
    <>
      <PageHeader title={t('title')} />
      <div className="jt-settings">
        <nav aria-label={t('title')}>
          <Menu
            className="jt-settings-menu"
            selectedKeys={[current.key]}
            items={allowed.map(({ key }) => ({ key, label: <Link to={`/settings/${key}?ns=${encodeURIComponent(namespace)}`}>{t(`sections.${key}`)}</Link> }))}
          />
        </nav>
        <section aria-label={t(`sections.${current.key}`)} style={{ minWidth: 0 }}>
          {allowed.includes(current) ? (
            <Suspense fallback={<LoadingState />}>
              <Page />
            </Suspense>
          ) : (
            <NoPermissionState text={t(`needs.${current.key}`)} />
          )}
        </section>
      </div>
    </>
  )
}
