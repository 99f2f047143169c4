/**
 * Against DNS rebinding: a page of any site can make its own name point to 127.0.0.1 and would then
 * be of the same origin as a server there. What is bound to loopback therefore answers only those who
 * call it by a loopback name. Who binds elsewhere has keys, which such a page does not.
 */
import type { ErrorDetail } from './error.ts'

/** Status with which a foreign host is refused. */
export const FOREIGN_HOST_STATUS = 403

/**
 * Why a request is not answered; undefined where it is.
 *
 * @param boundTo the address that the server listens on
 * @param host the request's `Host` header; HTTP/1.0 may have none, and browsers always send one
 */
export function foreignHost(boundTo: string, host: string | undefined): ErrorDetail | undefined {
  if (host === undefined || !isLoopback(boundTo) || isLoopback(nameOf(host))) return undefined
  return {
    code: 'forbidden',
    message:
      'This server listens on this machine only and does not answer to that name: call it as 127.0.0.1 or localhost, or bind it elsewhere with BIND_HOST and API keys.',
    details: {
      field: 'host',
      value: host.slice(0, 100),
      expected: '127.0.0.1, localhost or [::1]',
    },
  }
}

/** `[::1]:8080` → `::1`, `localhost:8080` → `localhost` */
function nameOf(host: string): string {
  const name = /^\[([^\]]*)\](?::\d{1,5})?$/.exec(host)?.[1] ?? host.replace(/:\d{1,5}$/, '')
  return name.toLowerCase()
}

function isLoopback(name: string): boolean {
  return (
    name === 'localhost' ||
    name.endsWith('.localhost') ||
    name === '::1' ||
    /^127(?:\.\d{1,3}){3}$/.test(name)
  )
}
