import { Button, Space } from 'antd'
import { useTranslation } from 'react-i18next'
import { Link, useSearchParams } from 'react-router'
import { useTime } from '../../../app/time-zone'

/** `searchedTo`: how far back a search has looked for this page. `isOlder`: this page is itself one of older runs. */
type Props = { next: string | null; searchedTo: string | null; isOlder?: boolean }

/** Leads to the page of older runs, and back to the newest; each page has its address. */
export function OlderPages({ next, searchedTo, isOlder = false }: Props) {
  const { t } = useTranslation('instances')
  const { format } = useTime()
  const [search] = useSearchParams()
  const at = (before: string | undefined): string => {
    const to = new URLSearchParams(search)
    if (before === undefined) to.delete('before')
    else to.set('before', before)
    return `?${to.toString()}`
  }
  return (
    <Space wrap style={{ justifyContent: 'center' }}>
      {searchedTo !== null && next !== null && <span>{t('list.searchedTo', { time: format(searchedTo) })}</span>}
      {isOlder && (
        <Link to={at(undefined)}>
          <Button tabIndex={-1}>{t('list.newest')}</Button>
        </Link>
      )}
      {next !== null && (
        <Link to={at(next)}>
          <Button tabIndex={-1}>{t(searchedTo === null ? 'list.older' : 'list.searchOn')}</Button>
        </Link>
      )}
      {next === null && isOlder && <span>{t('list.oldest')}</span>}
    </Space>
  )
}
