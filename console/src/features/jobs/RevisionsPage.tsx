import { LoadingState } from '../../ui/states'

export default function RevisionsPage() {
  return <LoadingState />
}
