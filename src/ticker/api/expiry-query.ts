/** The check of `?expiry=` that no schema can make: a date that exists. */
import { isCivilDate } from '../../market/ist.ts'
import { ApiError } from './api-error.ts'

/** @throws ApiError `bad_request` where it looks like a date and is none */
export function checkExpiry(expiry: string): void {
  if (isCivilDate(expiry)) return
  throw new ApiError('bad_request', `"expiry" cannot be ${expiry}: there is no such date.`, {
    field: 'expiry',
    expected: 'a date that exists, YYYY-MM-DD',
  })
}
