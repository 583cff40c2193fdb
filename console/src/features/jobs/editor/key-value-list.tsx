import { DeleteOutlined, PlusOutlined } from '@ant-design/icons'
import { Button, Input } from 'antd'
import { useState } from 'react'
import { useTranslation } from 'react-i18next'
import { useProblemText } from '../use-problem-text'
import { useFieldError } from './field'

type Row = { key: number; name: string; value: string }
type Props = { path: string; label: string; value: Readonly<Record<string, string>>; onChange: (value: Record<string, string>) => void }

let lastKey = 0
const rowOf = (name: string, value: string): Row => ({ key: (lastKey += 1), name, value })
const recordOf = (rows: readonly Row[]): Record<string, string> =>
  Object.fromEntries(rows.filter(({ name }) => name !== '').map(({ name, value }) => [name, value]))
const isEqual = (a: Readonly<Record<string, string>>, b: Readonly<Record<string, string>>): boolean => JSON.stringify(a) === JSON.stringify(b)

/** Names with values, such as environment variables. A name that is being typed may be empty or double for a while: then it is not in the value yet. */
export function KeyValueList({ path, label, value, onChange }: Props) {
  const { t } = useTranslation('jobs')
  const problemText = useProblemText()
  const error = useFieldError(path)
  const [rows, setRows] = useState<Row[]>(() => Object.entries(value).map(([name, each]) => rowOf(name, each)))
  const [known, setKnown] = useState(value)
  if (known !== value) {
    setKnown(value)
    // Changed from outside (JSON view, revert), not by this list.
    if (!isEqual(value, recordOf(rows))) setRows(Object.entries(value).map(([name, each]) => rowOf(name, each)))
  }
  const change = (next: Row[]): void => {
    setRows(next)
    onChange(recordOf(next))
  }
  const set = (key: number, part: Partial<Row>): void => change(rows.map((row) => (row.key === key ? { ...row, ...part } : row)))
  return (
    <div role="group" aria-label={label}>
      {rows.map((row) => (
        <div key={row.key} style={{ display: 'flex', gap: 8, marginBottom: 8 }}>
          <Input
            className="jt-mono"
            aria-label={t('pair.name')}
            placeholder={t('pair.name')}
            value={row.name}
            status={rows.some((other) => other.key !== row.key && other.name === row.name && row.name !== '') ? 'error' : ''}
            spellCheck={false}
            onChange={(event) => set(row.key, { name: event.target.value.trim() })}
            style={{ flex: '0 1 220px' }}
          />
          <Input
            className="jt-mono"
            aria-label={t('pair.valueOf', { name: row.name })}
            placeholder={t('pair.value')}
            value={row.value}
            spellCheck={false}
            onChange={(event) => set(row.key, { value: event.target.value })}
            style={{ flex: 1 }}
          />
          <Button
            type="text"
            icon={<DeleteOutlined />}
            aria-label={t('pair.remove', { name: row.name })}
            onClick={() => change(rows.filter((each) => each.key !== row.key))}
          />
        </div>
      ))}
      {error !== undefined && (
        <div role="alert" className="jt-field-error" style={{ color: 'var(--ant-color-error, #d9363e)', marginBottom: 8 }}>
          {problemText(error)}
        </div>
      )}
      <Button size="small" icon={<PlusOutlined />} onClick={() => setRows([...rows, rowOf('', '')])}>
        {t('pair.add')}
      </Button>
    </div>
  )
}
