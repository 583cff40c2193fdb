import { LoadingState } from '../../ui/states'

export default function SettingsPage() {
  return <LoadingState />
}
