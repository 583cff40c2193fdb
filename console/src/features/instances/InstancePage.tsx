import { LoadingState } from '../../ui/states'

export default function InstancePage() {
  return <LoadingState />
}
