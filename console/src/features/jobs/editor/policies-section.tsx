import { InputNumber } from 'antd'
import { useTranslation } from 'react-i18next'
import { exactDuration } from '../logic/exact-duration'
import type { JobDraft } from '../logic/job-draft'
import { retryWaits } from '../logic/retry-waits'
import { DurationInput } from './duration-input'
import { Field } from './field'
import { Section } from './section'
import type { SetMember } from './use-job-editor'

export function PoliciesSection({ draft, set }: { draft: JobDraft; set: SetMember }) {
  const { t } = useTranslation('jobs')
  const retry = { maxRetries: 0, backoffMs: 1_000, factor: 2, maxBackoffMs: 3_600_000, ...draft.retry }
  const timeoutMs = draft.timeoutMs ?? 0
  const killGraceMs = draft.killGraceMs ?? 10_000
  const maxConcurrent = draft.maxConcurrent ?? 0
  const row = { display: 'flex', flexWrap: 'wrap', gap: '0 24px' } as const
  return (
    <Section title={t('section.policies')}>
      <div style={row}>
        <Field path="timeoutMs" label={t('field.timeout')}>
          {(control) => <DurationInput {...control} label={t('field.timeout')} value={timeoutMs} onChange={(ms) => set('timeoutMs', ms)} />}
        </Field>
        <Field path="killGraceMs" label={t('field.killGrace')}>
          {(control) => <DurationInput {...control} label={t('field.killGrace')} value={killGraceMs} onChange={(ms) => set('killGraceMs', ms)} />}
        </Field>
        <Field path="maxConcurrent" label={t('field.maxConcurrent')}>
          {(control) => (
            <InputNumber
              {...control}
              min={0}
              max={10_000}
              precision={0}
              value={maxConcurrent}
              onChange={(value) => set('maxConcurrent', value ?? 0)}
              style={{ width: 120 }}
            />
          )}
        </Field>
      </div>
      <div style={row}>
        <Field path="retry.maxRetries" label={t('field.maxRetries')}>
          {(control) => (
            <InputNumber
              {...control}
              min={0}
              max={100}
              precision={0}
              value={retry.maxRetries}
              onChange={(value) => set('retry', { ...retry, maxRetries: value ?? 0 })}
              style={{ width: 120 }}
            />
          )}
        </Field>
        {retry.maxRetries > 0 && (
          <>
            <Field path="retry.backoffMs" label={t('field.backoff')}>
              {(control) => (
                <DurationInput
                  {...control}
                  label={t('field.backoff')}
                  value={retry.backoffMs}
                  onChange={(backoffMs) => set('retry', { ...retry, backoffMs })}
                />
              )}
            </Field>
            <Field path="retry.factor" label={t('field.factor')}>
              {(control) => (
                <InputNumber
                  {...control}
                  min={1}
                  max={10}
                  step={0.5}
                  value={retry.factor}
                  onChange={(factor) => set('retry', { ...retry, factor: factor ?? 1 })}
                  style={{ width: 120 }}
                />
              )}
            </Field>
            <Field path="retry.maxBackoffMs" label={t('field.maxBackoff')}>
              {(control) => (
                <DurationInput
                  {...control}
                  label={t('field.maxBackoff')}
                  value={retry.maxBackoffMs}
                  onChange={(maxBackoffMs) => set('retry', { ...retry, maxBackoffMs })}
                />
              )}
            </Field>
          </>
        )}
      </div>
      <ul aria-live="polite" style={{ margin: 0, paddingInlineStart: 20 }}>
        <li>{timeoutMs === 0 ? t('policy.noTimeout') : t('policy.timeout', { after: exactDuration(timeoutMs), grace: exactDuration(killGraceMs) })}</li>
        <li>{maxConcurrent === 0 ? t('policy.anyConcurrent') : t('policy.concurrent', { count: maxConcurrent })}</li>
        <li>
          <RetryWords retry={retry} />
        </li>
      </ul>
    </Section>
  )
}

function RetryWords({ retry }: { retry: { maxRetries: number; backoffMs: number; factor: number; maxBackoffMs: number } }) {
  const { t } = useTranslation('jobs')
  if (retry.maxRetries === 0) return <>{t('policy.noRetry')}</>
  const { waits, isMore, totalMs } = retryWaits(retry)
  const list = waits.map(exactDuration).join(', ') + (isMore ? ', …' : '')
  return <>{t('policy.retry', { count: retry.maxRetries, waits: list, total: exactDuration(totalMs) })}</>
}
