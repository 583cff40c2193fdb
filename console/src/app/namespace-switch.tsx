import { useQuery } from '@tanstack/react-query'
import { Select } from 'antd'
import { useTranslation } from 'react-i18next'
import { useLocation, useNavigate } from 'react-router'
import { namespacesQuery } from '../api/namespaces'
import { useNamespace } from './namespace'

/** The list page that a page of one thing belongs to: the thing is not in another namespace. */
const listOf = (pathname: string): string => (/^\/(jobs|instances)\/./.exec(pathname) === null ? pathname : `/${pathname.split('/')[1]}`)

export function NamespaceSwitch() {
  const { t } = useTranslation()
  const { namespace, setNamespace } = useNamespace()
  const { pathname } = useLocation()
  const navigate = useNavigate()
  const namespaces = useQuery(namespacesQuery)
  const names = namespaces.data?.items.map(({ name }) => name) ?? []
  const change = (name: string) => {
    const list = listOf(pathname)
    if (list === pathname) return setNamespace(name)
    void navigate(`${list}?ns=${encodeURIComponent(name)}`)
  }
  return (
    <Select
      aria-label={t('namespace.label')}
      showSearch
      value={namespace}
      options={(names.includes(namespace) ? names : [namespace, ...names]).map((name) => ({ value: name, label: name }))}
      onChange={change}
      popupMatchSelectWidth={false}
      style={{ minWidth: 130 }}
      prefix={<span className="jt-wide">{t('namespace.label')}</span>}
    />
  )
}
