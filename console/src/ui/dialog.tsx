import { Modal, type ModalProps } from 'antd'
import { useEffect, useState } from 'react'

/** A dialog that is there only while it is open. It gives the focus back to where it came from, which a Modal does only when it is closed before it is gone. */
export function Dialog(props: Omit<ModalProps, 'open'>) {
  const [opener] = useState(() => document.activeElement)
  useEffect(
    () => () => {
      const isFree = document.activeElement === null || document.activeElement === document.body
      if (isFree && opener instanceof HTMLElement && opener.isConnected) opener.focus()
    },
    [opener],
  )
  return <Modal open {...props} />
}
