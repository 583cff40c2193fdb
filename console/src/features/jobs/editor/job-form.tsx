import type { UseQueryResult } from '@tanstack/react-query'
import { ConfigProvider, Form, theme } from 'antd'
import { useMemo } from 'react'
import type { WorkerPage } from '@jobtrail/shared/api/cluster'
import { DraftProblemsContext, FieldErrorsContext } from './field'
import { GeneralSection } from './general-section'
import { LogSection } from './log-section'
import { ParamsSection } from './params-section'
import { PoliciesSection } from './policies-section'
import { ProcessorSection } from './processor-section'
import { RoutingSection } from './routing-section'
import { SecretsSection } from './secrets-section'
import { TriggerSection } from './trigger-section'
import type { JobEditor } from './use-job-editor'

type Props = { editor: JobEditor; namespace: string; workers: UseQueryResult<WorkerPage>; isReadOnly: boolean }

/** The definition as a form: one part for each thing that one thinks about. */
export function JobForm({ editor: { base, draft, errors, problems, setMember, setUnparsed }, namespace, workers, isReadOnly }: Props) {
  const { token } = theme.useToken()
  // Nothing can be changed, but everything is to be read.
  const readable = useMemo(() => ({ token: { colorTextDisabled: token.colorText, colorBgContainerDisabled: token.colorBgContainer } }), [token])
  const items = useMemo(() => workers.data?.items ?? [], [workers.data])
  const handlers = useMemo(() => [...new Set(items.flatMap((worker) => worker.handlers))].toSorted(), [items])
  return (
    <FieldErrorsContext value={errors}>
      <DraftProblemsContext value={problems}>
        <ConfigProvider componentDisabled={isReadOnly} theme={isReadOnly ? readable : undefined}>
          <Form layout="vertical" component="div">
            <GeneralSection draft={draft} set={setMember} />
            <TriggerSection draft={draft} set={setMember} namespace={namespace} jobId={base.job?.id} />
            <ProcessorSection draft={draft} set={setMember} handlers={handlers} isReadOnly={isReadOnly} />
            <ParamsSection draft={draft} set={setMember} setUnparsed={setUnparsed} isReadOnly={isReadOnly} />
            <RoutingSection draft={draft} set={setMember} workers={items} />
            <PoliciesSection draft={draft} set={setMember} />
            <SecretsSection draft={draft} set={setMember} isReadOnly={isReadOnly} />
            <LogSection draft={draft} set={setMember} />
          </Form>
        </ConfigProvider>
      </DraftProblemsContext>
    </FieldErrorsContext>
  )
}
