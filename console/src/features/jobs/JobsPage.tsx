import { LoadingState } from '../../ui/states'

export default function JobsPage() {
  return <LoadingState />
}
