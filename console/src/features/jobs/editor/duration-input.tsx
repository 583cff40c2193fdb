import { InputNumber, Select, Space } from 'antd'
import { useState } from 'react'
import { useTranslation } from 'react-i18next'

const UNITS = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 } as const
type Unit = keyof typeof UNITS

/** The largest unit that shows it whole. */
const unitOf = (ms: number): Unit => (ms === 0 ? 's' : ((Object.keys(UNITS) as Unit[]).findLast((unit) => ms % UNITS[unit] === 0) ?? 'ms'))

type Props = {
  value: number
  onChange: (ms: number) => void
  id?: string
  label: string
  min?: number
  status?: 'error' | ''
  'aria-describedby'?: string | undefined
  'aria-invalid'?: boolean
}

/** Milliseconds, written in a unit that people use. */
export function DurationInput({ value, onChange, label, min = 0, ...control }: Props) {
  const { t } = useTranslation('jobs')
  const [unit, setUnit] = useState<Unit>(() => unitOf(value))
  return (
    <Space.Compact>
      <InputNumber
        {...control}
        min={min / UNITS[unit]}
        value={value / UNITS[unit]}
        onChange={(amount) => onChange(Math.round((amount ?? 0) * UNITS[unit]))}
        style={{ width: 120 }}
      />
      <Select
        aria-label={t('unit.of', { label })}
        value={unit}
        options={(Object.keys(UNITS) as Unit[]).map((each) => ({ value: each, label: t(`unit.${each}`) }))}
        onChange={(next) => {
          onChange(Math.round((value / UNITS[unit]) * UNITS[next]))
          setUnit(next)
        }}
        style={{ width: 104 }}
      />
    </Space.Compact>
  )
}
