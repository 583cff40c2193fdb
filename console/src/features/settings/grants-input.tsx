import { CloseOutlined, PlusOutlined } from '@ant-design/icons'
import { useQuery } from '@tanstack/react-query'
import { Button, Flex, Select } from 'antd'
import { useTranslation } from 'react-i18next'
import { ALL_NAMESPACES, type Grants, type Role, ROLES } from '@jobtrail/api/auth'
import { namespacesQuery } from '../../api/namespaces'

/** A role for each of some namespaces, or for all. A form item gives `value` and `onChange`. */
export function GrantsInput({ value = {}, onChange }: { value?: Grants; onChange?: (grants: Grants) => void }) {
  const { t } = useTranslation('settings')
  const { t: common } = useTranslation()
  const namespaces = useQuery(namespacesQuery)
  const entries = Object.entries(value)
  const all = [ALL_NAMESPACES, ...(namespaces.data?.items.map(({ name }) => name) ?? [])]
  const free = all.filter((name) => value[name] === undefined)
  const nameOf = (name: string) => (name === ALL_NAMESPACES ? t('allNamespaces') : name)
  const replace = (index: number, entry: [string, Role] | undefined) =>
    onChange?.(Object.fromEntries(entries.flatMap((former, i) => (i !== index ? [former] : entry === undefined ? [] : [entry]))))
  const next = free.find((name) => name !== ALL_NAMESPACES) ?? free[0]
  return (
    <Flex vertical gap={8}>
      {entries.map(([name, role], index) => (
        <Flex key={name} gap={8}>
          <Select
            aria-label={t('namespace')}
            value={name}
            style={{ flex: 1 }}
            options={[name, ...free].map((each) => ({ value: each, label: nameOf(each) }))}
            onChange={(changed) => replace(index, [changed, role])}
          />
          <Select
            aria-label={t('role')}
            value={role}
            style={{ width: 130 }}
            options={ROLES.map((each) => ({ value: each, label: common(`role.${each}`) }))}
            onChange={(changed) => replace(index, [name, changed])}
          />
          <Button icon={<CloseOutlined />} aria-label={t('removeGrant', { namespace: nameOf(name) })} onClick={() => replace(index, undefined)} />
        </Flex>
      ))}
      {next !== undefined && (
        <Button type="dashed" icon={<PlusOutlined />} onClick={() => onChange?.({ ...value, [next]: 'viewer' })}>
          {t('addGrant')}
        </Button>
      )}
    </Flex>
  )
}
