import { systemCode } from '../errors.js'

const DISK_CODES = new Set(['ENOSPC', 'EDQUOT', 'EIO', 'EMFILE', 'ENFILE', 'ENOMEM', 'EROFS', 'EACCES', 'EPERM', 'EAGAIN', 'EBUSY'])

/** The disk or the system refuses now; it may take the same again later. */
export const isDiskFault = (error: unknown): boolean => DISK_CODES.has(systemCode(error) ?? '')
