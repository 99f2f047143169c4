/** The database over TLS with a password, against a private server with a certificate of its own. */
import { execFileSync } from 'node:child_process'
import { chmodSync, chownSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { openStore } from '../../src/postgres/connection.ts'
import { silentLog } from '../silent-log.ts'
import { hasPostgresServer, PostgresServer } from './postgres-server.ts'

const canMakeCertificates = succeeds('openssl', ['version'])
if (!canMakeCertificates) process.stderr.write('skipped: openssl is not installed\n')

describe.skipIf(!canMakeCertificates)('over TLS with a password', () => {
  let folder: string
  let certificate: string
  let key: string

  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'fostream-tls-'))
    chmodSync(folder, 0o755)
    certificate = join(folder, 'certificate.pem')
    key = join(folder, 'key.pem')
    const subject = ['-subj', '/CN=localhost', '-addext', 'subjectAltName=DNS:localhost']
    const output = ['-keyout', key, '-out', certificate]
    const kind = ['-x509', '-newkey', 'rsa:2048', '-nodes', '-days', '2']
    execFileSync('openssl', ['req', ...kind, ...output, ...subject], { stdio: 'ignore' })
  })
  afterAll(() => rmSync(folder, { recursive: true, force: true }))

  it.skipIf(!hasPostgresServer)(
    'the store takes sslmode=verify-full with sslrootcert, and refuses another host’s certificate and a wrong password',
    { timeout: 240_000 },
    async () => {
      const server = await PostgresServer.create()
      try {
        // The server reads the key only where it is its own.
        const { uid, gid } = statSync(server.dataDir)
        chownSync(key, uid, gid)
        chmodSync(key, 0o600)
        const admin = openStore(
          { kind: 'url', url: server.url },
          { applicationName: 'fostream test', log: silentLog },
        )
        await admin.pool.query("ALTER USER postgres PASSWORD 'geheim'")
        await admin.close()
        const rules = ['hostnossl all all all trust', 'hostssl all all all scram-sha-256', '']
        writeFileSync(join(server.dataDir, 'pg_hba.conf'), rules.join('\n'))
        await server.stop()
        await server.start('ssl=on', `ssl_cert_file=${certificate}`, `ssl_key_file=${key}`)
        const over = (host: string, password: string) => {
          const root = encodeURIComponent(certificate)
          const url = `postgresql://postgres:${password}@${host}:${server.port}/postgres?sslmode=verify-full&sslrootcert=${root}`
          return openStore(
            { kind: 'url', url },
            { applicationName: 'fostream test', log: silentLog },
          )
        }
        const store = over('localhost', 'geheim')
        const { rows } = await store.pool.query<{ ssl: boolean }>(
          'SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()',
        )
        expect(rows).toEqual([{ ssl: true }])
        expect(store.describe()).not.toContain('geheim')
        await store.close()

        const stranger = over('127.0.0.1', 'geheim')
        await expect(stranger.pool.query('SELECT 1')).rejects.toThrow(/altnames|certificate/i)
        await stranger.close()
        const guessing = over('localhost', 'falsch')
        await expect(guessing.pool.query('SELECT 1')).rejects.toThrow(/password/)
        await guessing.close()
      } finally {
        await server.remove()
      }
    },
  )
})

function succeeds(program: string, args: readonly string[]): boolean {
  try {
    execFileSync(program, [...args], { stdio: 'ignore' })
    return true
  } catch {
    return false
  }
}
