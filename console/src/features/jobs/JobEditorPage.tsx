import { LoadingState } from '../../ui/states'

export default function JobEditorPage() {
  return <LoadingState />
}
