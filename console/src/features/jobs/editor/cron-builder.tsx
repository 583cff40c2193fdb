import { InputNumber, Select, Space, TimePicker } from 'antd'
import dayjs from 'dayjs'
import { useMemo } from 'react'
import { useTranslation } from 'react-i18next'
import { currentLanguage } from '../../../app/i18n'
import { type CronPattern, type CronPatternKind, EVEN_STEPS, expressionOf, patternFor } from '../logic/cron-pattern'

const KINDS: readonly CronPatternKind[] = ['seconds', 'minutes', 'hourly', 'daily', 'weekly', 'monthly', 'custom']

/** Common patterns without knowing cron; `custom` leaves the expression to the field below. */
export function CronBuilder({ pattern, onPattern }: { pattern: CronPattern; onPattern: (pattern: CronPattern, expression: string | undefined) => void }) {
  const { t } = useTranslation('jobs')
  const set = (next: CronPattern): void => onPattern(next, expressionOf(next))
  return (
    <Space wrap size={8}>
      <Select
        aria-label={t('cron.pattern')}
        value={pattern.kind}
        options={KINDS.map((kind) => ({ value: kind, label: t(`cron.${kind}`) }))}
        onChange={(kind) => set(patternFor(kind, pattern))}
        style={{ minWidth: 170 }}
      />
      <PatternFields pattern={pattern} set={set} />
    </Space>
  )
}

function PatternFields({ pattern, set }: { pattern: CronPattern; set: (pattern: CronPattern) => void }) {
  const { t } = useTranslation('jobs')
  const steps = (values: readonly number[], unit: 'seconds' | 'minutes' | 'hours', every: number, onChange: (every: number) => void) => (
    <Select
      aria-label={t('cron.every')}
      value={every}
      options={values.map((value) => ({ value, label: t(`cron.step.${unit}`, { count: value }) }))}
      onChange={onChange}
      style={{ minWidth: 150 }}
    />
  )
  switch (pattern.kind) {
    case 'seconds':
      return steps(EVEN_STEPS.seconds, 'seconds', pattern.every, (every) => set({ ...pattern, every }))
    case 'minutes':
      return steps(EVEN_STEPS.minutes, 'minutes', pattern.every, (every) => set({ ...pattern, every }))
    case 'hourly':
      return (
        <>
          {steps(EVEN_STEPS.hours, 'hours', pattern.every, (every) => set({ ...pattern, every }))}
          <InputNumber
            aria-label={t('cron.minute')}
            prefix={t('cron.minute')}
            min={0}
            max={59}
            value={pattern.minute}
            onChange={(minute) => set({ ...pattern, minute: minute ?? 0 })}
            style={{ width: 130 }}
          />
        </>
      )
    case 'daily':
      return <TimeOfDay {...pattern} onChange={(time) => set({ ...pattern, ...time })} />
    case 'weekly':
      return (
        <Space wrap size={8}>
          <Weekdays value={pattern.weekdays} onChange={(weekdays) => set({ ...pattern, weekdays })} />
          <TimeOfDay {...pattern} onChange={(time) => set({ ...pattern, ...time })} />
        </Space>
      )
    case 'monthly':
      return (
        <Space wrap size={8}>
          <Select
            aria-label={t('cron.day')}
            value={pattern.day}
            options={[...Array.from({ length: 31 }, (_, i) => i + 1), 'L' as const].map((day) => ({
              value: day,
              label: day === 'L' ? t('cron.lastDay') : t('cron.onDay', { day }),
            }))}
            onChange={(day) => set({ ...pattern, day })}
            style={{ minWidth: 140 }}
          />
          <TimeOfDay {...pattern} onChange={(time) => set({ ...pattern, ...time })} />
        </Space>
      )
    case 'custom':
      return null
  }
}

type Time = { hour: number; minute: number }

function TimeOfDay({ hour, minute, onChange }: Time & { onChange: (time: Time) => void }) {
  const { t } = useTranslation('jobs')
  return (
    <TimePicker
      aria-label={t('cron.time')}
      format="HH:mm"
      allowClear={false}
      needConfirm={false}
      value={dayjs().hour(hour).minute(minute)}
      onChange={(time) => onChange({ hour: time?.hour() ?? 0, minute: time?.minute() ?? 0 })}
      style={{ width: 110 }}
    />
  )
}

/** From Monday on. */
const WEEK = [1, 2, 3, 4, 5, 6, 0]

function Weekdays({ value, onChange }: { value: number[]; onChange: (weekdays: number[]) => void }) {
  const { t } = useTranslation('jobs')
  const language = currentLanguage()
  const names = useMemo(() => {
    const format = new Intl.DateTimeFormat(language, { weekday: 'short', timeZone: 'UTC' })
    // 2023-01-01 was a Sunday.
    return new Map(WEEK.map((day) => [day, format.format(Date.UTC(2023, 0, 1 + day))]))
  }, [language])
  return (
    <Select
      mode="multiple"
      aria-label={t('cron.weekdays')}
      value={WEEK.filter((day) => value.includes(day))}
      options={WEEK.map((day) => ({ value: day, label: names.get(day) }))}
      onChange={(days) => {
        // A week without a day would never fire.
        if (days.length > 0) onChange(days)
      }}
      style={{ minWidth: 200 }}
    />
  )
}
