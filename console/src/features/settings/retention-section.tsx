import { useQuery } from '@tanstack/react-query'
import { Alert, App, Button, Form, InputNumber } from 'antd'
import { useTranslation } from 'react-i18next'
import { ALL_NAMESPACES, ChangeNamespace, KEPT_REVISIONS, MAX_RETENTION_DAYS, type NamespaceView, type Retention } from '@jobtrail/api/auth'
import { namespacesQuery, useChangeNamespace } from '../../api/namespaces'
import { useNamespace } from '../../app/namespace'
import { useSession } from '../../app/session'
import { useTime } from '../../app/time-zone'
import { forgetErrors, FormProblem, parseForm, showFieldErrors } from '../../ui/form-problem'
import { ErrorState, LoadingState } from '../../ui/states'
import { isSame, isShorter } from './retention-change'
import { SectionFrame } from './section-frame'

const DAY_MS = 86_400_000
const FIELDS = ['runsDays', 'logsDays', 'auditDays'] as const

/** What a retention means, with the days that it means today. */
function useWords(namespace: string): (retention: Retention) => string[] {
  const { t } = useTranslation('settings')
  const { format } = useTime()
  const since = (days: number): string => format(new Date(Date.now() - days * DAY_MS), 'minute')
  return ({ runsDays, logsDays, auditDays }) => {
    const ofHistory = auditDays === null ? [] : [t('retention.auditGoes', { at: since(auditDays), revisions: KEPT_REVISIONS })]
    if (runsDays === null && logsDays === null) return [t('retention.nothing', { namespace }), ...ofHistory]
    return [
      ...(runsDays === null ? [t('retention.runsStay', { namespace })] : [t('retention.runsGo', { namespace, at: since(runsDays) })]),
      ...(logsDays === null || logsDays === runsDays ? [] : [t('retention.logsGo', { at: since(logsDays) })]),
      ...ofHistory,
      t('retention.spared'),
    ]
  }
}

const Words = ({ words }: { words: string[] }) => (
  <ul style={{ margin: 0, paddingInlineStart: 18 }}>
    {words.map((text) => (
      <li key={text}>{text}</li>
    ))}
  </ul>
)

function RetentionForm({ namespace: { name, retention, revision } }: { namespace: NamespaceView }) {
  const { t } = useTranslation('settings')
  const { t: common } = useTranslation()
  const { modal, message } = App.useApp()
  const [form] = Form.useForm<{ retention: Retention }>()
  const change = useChangeNamespace()
  const { can } = useSession()
  const words = useWords(name)
  const typed = Form.useWatch('retention', form)
  const next: Retention = { runsDays: typed?.runsDays ?? null, logsDays: typed?.logsDays ?? null, auditDays: typed?.auditDays ?? null }
  const isChanged = typed !== undefined && !isSame(retention, next)
  const save = async (): Promise<void> => {
    const body = parseForm(form, ChangeNamespace, { revision, retention: next })
    if (body === undefined) return
    const isSure =
      !isShorter(retention, next) ||
      (await modal.confirm({
        title: t('retention.question', { namespace: name }),
        content: <Words words={[...words(next), t('retention.noReturn')]} />,
        okText: t('retention.confirm'),
        okButtonProps: { danger: true },
        cancelText: common('actions.cancel'),
        autoFocusButton: 'cancel',
        width: 560,
      }))
    if (!isSure) return
    change.mutate({ name, change: body }, { onSuccess: () => void message.success(t('retention.saved')), onError: (error) => showFieldErrors(form, error) })
  }
  return (
    <>
      <FormProblem error={change.error} />
      <Form name="retention" form={form} layout="vertical" onFinish={() => void save()} onValuesChange={forgetErrors(form)} initialValues={{ retention }}>
        {FIELDS.map((field) => (
          <Form.Item key={field} label={t(`retention.${field}`)} name={['retention', field]} extra={t(`retention.${field}Note`, { revisions: KEPT_REVISIONS })}>
            <InputNumber<number>
              min={1}
              max={MAX_RETENTION_DAYS}
              precision={0}
              disabled={field === 'auditDays' && !can(ALL_NAMESPACES, 'admin')}
              placeholder={t(`retention.${field}Empty`)}
              suffix={t('retention.days')}
              style={{ width: 240 }}
            />
          </Form.Item>
        ))}
        <Alert
          type={isChanged && isShorter(retention, next) ? 'warning' : 'info'}
          showIcon
          title={<Words words={words(next)} />}
          style={{ marginBottom: 16 }}
        />
        <Button type="primary" htmlType="submit" disabled={!isChanged} loading={change.isPending}>
          {common('actions.save')}
        </Button>
      </Form>
    </>
  )
}

/** How long the runs, logs and history of the chosen namespace are kept. */
export default function RetentionSection() {
  const { t } = useTranslation('settings')
  const { namespace } = useNamespace()
  const namespaces = useQuery(namespacesQuery)
  const found = namespaces.data?.items.find(({ name }) => name === namespace)
  const content = (): React.ReactNode => {
    // A new form for what was saved, also by others.
    if (found !== undefined) return <RetentionForm key={`${found.name} ${found.revision}`} namespace={found} />
    if (namespaces.isPending) return <LoadingState />
    return <ErrorState error={namespaces.error ?? new Error(t('retention.noNamespace', { namespace }))} retry={() => void namespaces.refetch()} />
  }
  return (
    <SectionFrame title={t('sections.retention')} text={t('retention.text', { namespace })}>
      {content()}
    </SectionFrame>
  )
}
