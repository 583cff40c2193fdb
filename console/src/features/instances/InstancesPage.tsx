import { LoadingState } from '../../ui/states'

export default function InstancesPage() {
  return <LoadingState />
}
