import { Form, Input } from 'antd'
import { useTranslation } from 'react-i18next'
import { ChangeUser, CreateUser, type Grants, type UserView } from '@jobtrail/api/auth'
import { useChangeUser, useCreateUser } from '../../api/users'
import { forgetErrors, FormProblem, parseForm, showFieldErrors } from '../../ui/form-problem'
import { GrantsInput } from './grants-input'
import { Dialog } from '../../ui/dialog'

type Values = { username: string; password?: string; grants: Grants }

/** A new user, or changes of one. */
export function UserDialog({ user, onClose }: { user: UserView | 'new'; onClose: () => void }) {
  const { t } = useTranslation('settings')
  const { t: common } = useTranslation()
  const [form] = Form.useForm<Values>()
  const create = useCreateUser()
  const change = useChangeUser()
  const isNew = user === 'new'
  const options = { onSuccess: onClose, onError: (error: unknown) => showFieldErrors(form, error) }
  const save = (values: Values) => {
    // An empty field of a password that is not to change.
    const password = values.password === undefined || values.password === '' ? {} : { password: values.password }
    if (isNew) {
      const body = parseForm(form, CreateUser, { ...values, password: values.password ?? '' })
      if (body !== undefined) create.mutate(body, options)
      return
    }
    const body = parseForm(form, ChangeUser, { grants: values.grants, ...password })
    if (body !== undefined) change.mutate({ id: user.id, change: body }, options)
  }
  return (
    <Dialog
      title={isNew ? t('user.new') : t('user.change', { name: user.username })}
      okText={common(isNew ? 'actions.create' : 'actions.save')}
      onOk={() => form.submit()}
      onCancel={onClose}
      confirmLoading={create.isPending || change.isPending}
      destroyOnHidden
    >
      <FormProblem error={create.error ?? change.error} />
      <Form<Values>
        name="user"
        form={form}
        layout="vertical"
        onFinish={save}
        onValuesChange={forgetErrors(form)}
        initialValues={isNew ? { username: '', grants: { default: 'viewer' } } : { username: user.username, grants: user.grants }}
      >
        {isNew && (
          <Form.Item label={t('user.name')} name="username" required>
            <Input autoFocus autoComplete="off" spellCheck={false} />
          </Form.Item>
        )}
        <Form.Item
          label={isNew ? t('user.password') : t('user.newPassword')}
          name="password"
          required={isNew}
          extra={isNew ? t('user.passwordNote') : t('user.newPasswordNote')}
        >
          <Input.Password autoComplete="new-password" />
        </Form.Item>
        <Form.Item label={t('user.grants')} name="grants" extra={t('user.grantsNote')}>
          <GrantsInput />
        </Form.Item>
      </Form>
    </Dialog>
  )
}
