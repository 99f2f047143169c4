/** Who may ask, and whether a question fits its schema: what every request passes before its route. */
import type { FastifyInstance, FastifySchemaCompiler } from 'fastify'
import type { TSchema } from 'typebox'
import { FOREIGN_HOST_STATUS, foreignHost } from '../../contract/api/host-check.ts'
import { partOf, requestCheck } from '../../contract/api/request-check.ts'
import { ApiError, badField } from './api-error.ts'

export const compileValidator: FastifySchemaCompiler<TSchema> = ({ schema, httpPart }) => {
  const check = requestCheck(schema, partOf(httpPart))
  return (given: unknown) => {
    const checked = check(given)
    if (checked.ok) return { value: checked.value }
    const { field, message, details } = checked.fault
    return { error: badField(field, message, details) }
  }
}

/** @param boundTo the address that the server listens on */
export function refuseForeignHosts(app: FastifyInstance, boundTo: string): void {
  app.addHook('onRequest', async ({ headers }) => {
    const fault = foreignHost(boundTo, headers.host)
    if (fault === undefined) return
    throw new ApiError(FOREIGN_HOST_STATUS, fault.code, fault.message, fault.details)
  })
}
