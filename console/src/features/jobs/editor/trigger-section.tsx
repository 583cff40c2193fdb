import { Input, Segmented, Select } from 'antd'
import { useMemo, useState } from 'react'
import { useTranslation } from 'react-i18next'
import { TRIGGER_KINDS } from '@jobtrail/shared/api/jobs'
import { AWAITED_ENDS } from '@jobtrail/shared/domain/statuses'
import { BROWSER_ZONE, formatOffset, useTime } from '../../../app/time-zone'
import { ZonedPicker } from '../../../ui/zoned-picker'
import { useCronWords } from '../cron-words'
import { JobSelect } from '../job-select'
import { patternOf } from '../logic/cron-pattern'
import type { JobDraft } from '../logic/job-draft'
import { CronBuilder } from './cron-builder'
import { DurationInput } from './duration-input'
import { Field } from './field'
import { Section } from './section'
import type { SetMember } from './use-job-editor'

type TriggerDraft = JobDraft['trigger']
type Kind = TriggerDraft['kind']
type Of<K extends Kind> = Extract<TriggerDraft, { kind: K }>

type Props = { draft: JobDraft; set: SetMember; namespace: string; jobId: string | undefined }

export function TriggerSection({ draft, set, namespace, jobId }: Props) {
  const { t } = useTranslation('jobs')
  const { zone } = useTime()
  const { trigger } = draft
  // Looking at another kind and coming back loses nothing.
  const [former, setFormer] = useState<Partial<Record<Kind, TriggerDraft>>>({})
  const change = (next: TriggerDraft): void => set('trigger', next)
  const changeKind = (kind: Kind): void => {
    setFormer({ ...former, [trigger.kind]: trigger })
    change(former[kind] ?? firstOf(kind))
  }
  return (
    <Section title={t('section.trigger')}>
      <Segmented
        aria-label={t('section.trigger')}
        value={trigger.kind}
        options={TRIGGER_KINDS.map((kind) => ({ value: kind, label: t(`trigger.${kind}`) }))}
        onChange={changeKind}
        style={{ marginBottom: 16 }}
      />
      {trigger.kind === 'cron' && <CronFields trigger={trigger} change={change} />}
      {trigger.kind === 'interval' && <IntervalFields trigger={trigger} change={change} />}
      {trigger.kind === 'once' && (
        <Field path="trigger.at" label={t('field.at')} hint={t('hint.viewerZone', { zone })} style={{ marginBottom: 0 }}>
          {(control) => <ZonedPicker {...control} value={trigger.at} onChange={(at) => change({ kind: 'once', at: at ?? '' })} />}
        </Field>
      )}
      {trigger.kind === 'after' && <AfterFields trigger={trigger} change={change} namespace={namespace} jobId={jobId} />}
      {trigger.kind === 'manual' && <div>{t('hint.manual')}</div>}
    </Section>
  )
}

function firstOf(kind: Kind): TriggerDraft {
  switch (kind) {
    case 'cron':
      return { kind, expression: '0 2 * * *', timeZone: BROWSER_ZONE }
    case 'interval':
      return { kind, everyMs: 60_000 }
    case 'once':
      return { kind, at: new Date(Math.ceil((Date.now() + 3_600_000) / 60_000) * 60_000).toISOString() }
    case 'manual':
      return { kind }
    case 'after':
      return { kind, job: '', on: 'success' }
  }
}

function CronFields({ trigger, change }: { trigger: Of<'cron'>; change: (trigger: TriggerDraft) => void }) {
  const { t } = useTranslation('jobs')
  const words = useCronWords()(trigger.expression)
  const [isFree, setIsFree] = useState(false)
  const pattern = isFree ? ({ kind: 'custom' } as const) : patternOf(trigger.expression)
  const zones = useMemo(zoneOptions, [])
  return (
    <>
      <div style={{ marginBottom: 16 }}>
        <CronBuilder
          pattern={pattern}
          onPattern={(next, expression) => {
            setIsFree(next.kind === 'custom')
            if (expression !== undefined) change({ ...trigger, expression })
          }}
        />
      </div>
      <Field path="trigger.expression" label={t('field.expression')} hint={words === undefined ? t('hint.expression') : <strong>{words}</strong>}>
        {(control) => (
          <Input
            {...control}
            className="jt-mono"
            value={trigger.expression}
            maxLength={200}
            autoComplete="off"
            spellCheck={false}
            placeholder="0 2 * * *"
            onChange={(event) => change({ ...trigger, expression: event.target.value })}
            style={{ maxWidth: 360, display: 'block' }}
          />
        )}
      </Field>
      <Field path="trigger.timeZone" label={t('field.timeZone')} hint={t('hint.timeZone')} style={{ marginBottom: 0 }}>
        {(control) => (
          <Select
            {...control}
            showSearch
            value={trigger.timeZone ?? 'UTC'}
            options={zones}
            optionRender={({ value }) => withOffset(String(value))}
            labelRender={({ value }) => withOffset(String(value))}
            onChange={(timeZone) => change({ ...trigger, timeZone })}
            style={{ width: 360, maxWidth: '100%' }}
          />
        )}
      </Field>
    </>
  )
}

function IntervalFields({ trigger, change }: { trigger: Of<'interval'>; change: (trigger: TriggerDraft) => void }) {
  const { t } = useTranslation('jobs')
  const { zone } = useTime()
  return (
    <>
      <Field path="trigger.everyMs" label={t('field.every')} hint={t('hint.interval')}>
        {(control) => <DurationInput {...control} label={t('field.every')} value={trigger.everyMs} onChange={(everyMs) => change({ ...trigger, everyMs })} />}
      </Field>
      <Field path="trigger.startAt" label={t('field.startAt')} hint={t('hint.startAt', { zone })} style={{ marginBottom: 0 }}>
        {(control) => (
          <ZonedPicker
            {...control}
            value={trigger.startAt}
            onChange={(startAt) => change(startAt === undefined ? { kind: 'interval', everyMs: trigger.everyMs } : { ...trigger, startAt })}
          />
        )}
      </Field>
    </>
  )
}

type AfterProps = { trigger: Of<'after'>; change: (trigger: TriggerDraft) => void; namespace: string; jobId: string | undefined }

function AfterFields({ trigger, change, namespace, jobId }: AfterProps) {
  const { t } = useTranslation('jobs')
  return (
    <>
      <Field path="trigger.job" label={t('field.after')} hint={t('hint.after')}>
        {(control) => (
          <JobSelect
            {...control}
            namespace={namespace}
            jobId={trigger.job === '' ? undefined : trigger.job}
            exceptId={jobId}
            placeholder={t('placeholder.after')}
            onChange={(job) => change({ ...trigger, job: job ?? '' })}
            style={{ width: 360, maxWidth: '100%' }}
          />
        )}
      </Field>
      <Field path="trigger.on" label={t('field.afterOn')} style={{ marginBottom: 0 }}>
        {(control) => (
          <Select
            {...control}
            value={trigger.on ?? 'success'}
            options={AWAITED_ENDS.map((value) => ({ value, label: t(`awaited.${value}`) }))}
            onChange={(on) => change({ ...trigger, on })}
            style={{ width: 360, maxWidth: '100%' }}
          />
        )}
      </Field>
    </>
  )
}

/** Only for those that are seen: there are four hundred. */
const withOffset = (zone: string): string => `${zone} (${formatOffset(Date.now(), zone)})`

function zoneOptions(): { value: string; label: string }[] {
  const zones = new Set([BROWSER_ZONE, 'UTC', ...Intl.supportedValuesOf('timeZone')])
  return [...zones].map((zone) => ({ value: zone, label: zone }))
}
