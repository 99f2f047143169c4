import {
  appendFileSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { replaceSecretFile } from '../../../src/kit/replace-file.ts'
import { TOKEN_FILE_MAX_BYTES } from '../../../src/limits.ts'
import { TokenFile, tokenFilePath } from '../../../src/ticker/tokens/token-file.ts'
import { formatTokenText, parseTokenText } from '../../../src/ticker/tokens/token-text.ts'

const TOKEN = 'a1b2c3d4e5f6a1b2c3d4e5f6a1b2c3d4'
let folder = ''

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'fostream-token-'))
})
afterEach(() => rmSync(folder, { recursive: true }))

describe('a token in a file', () => {
  it.each([
    ['alone', TOKEN, undefined],
    ['with white space around it', `\n  ${TOKEN} \r\n`, undefined],
    ['as we keep it', formatTokenText(TOKEN, 1_795_400_000_000), 1_795_400_000_000],
    [
      'as the broker answers',
      `{"status":"success","data":{"access_token":"${TOKEN}","login_time":"2026-11-23 08:30:00"}}`,
      Date.parse('2026-11-23T08:30:00+05:30'),
    ],
    ['with an unreadable time', `{"access_token":"${TOKEN}","login_time":"soon"}`, undefined],
  ])('is read: %s', (_what, text, loginTimeMs) => {
    expect(parseTokenText(text)).toEqual({ accessToken: TOKEN, loginTimeMs })
  })

  it.each([
    ['', 'short', 'two words of text', '{', `{"access_token":"${TOKEN}"`, '{"access_token":7}'],
    ['{"access_token":"with space"}', `${TOKEN}\n${TOKEN}`, 'x'.repeat(257), '[]', 'null', '{}'],
  ])('is not read from anything else', (...texts) => {
    for (const text of texts) expect(parseTokenText(text), text).toBeUndefined()
  })
})

describe('a watched token file', () => {
  const path = () => join(folder, 'token')
  const write = (text: string) => writeFileSync(path(), text, { mode: 0o600 })
  const tokenOf = async (file: TokenFile) => (await file.look()).found?.accessToken

  it('is handed out once, when it has stood still', async () => {
    const file = new TokenFile(path())
    expect(await file.look()).toEqual({ found: undefined, fault: null })
    write(TOKEN)
    expect([await tokenOf(file), await tokenOf(file), await tokenOf(file)]).toEqual([
      undefined,
      TOKEN,
      undefined,
    ])
  })

  it('is not taken half written', async () => {
    const file = new TokenFile(path())
    write(TOKEN.slice(0, 20))
    expect(await tokenOf(file)).toBeUndefined()
    appendFileSync(path(), TOKEN.slice(20))
    expect(await tokenOf(file)).toBeUndefined()
    expect(await tokenOf(file)).toBe(TOKEN)
  })

  it('is noticed when another file takes its place', async () => {
    const file = new TokenFile(path())
    write(TOKEN)
    await file.look()
    await file.look()
    await replaceSecretFile(path(), 'another-token\n')
    expect([await tokenOf(file), await tokenOf(file)]).toEqual([undefined, 'another-token'])
  })

  it('tells when it was written', async () => {
    write(TOKEN)
    utimesSync(path(), 1_795_400_000, 1_795_400_000)
    const file = new TokenFile(path())
    await file.look()
    expect((await file.look()).found?.writtenAtMs).toBe(1_795_400_000_000)
  })

  it.each([
    ['no token', 'not a token', 'holds no access token'],
    ['far too much', 'x'.repeat(TOKEN_FILE_MAX_BYTES + 1), 'too large'],
  ])('with %s is said to be wrong, without its content', async (_what, text, message) => {
    write(text)
    const file = new TokenFile(path())
    await file.look()
    const { found, fault } = await file.look()
    expect(found).toBeUndefined()
    expect(fault).toContain(message)
    expect(fault).not.toContain(text)
  })

  it.skipIf(process.platform === 'win32')('that others may read is used, and said', async () => {
    writeFileSync(path(), TOKEN, { mode: 0o644 })
    const file = new TokenFile(path())
    await file.look()
    expect(await file.look()).toMatchObject({
      found: { accessToken: TOKEN },
      fault: expect.stringContaining('chmod 600'),
    })
  })
})

describe('a token that is kept', () => {
  it.skipIf(process.platform === 'win32')('can be read by its owner alone', async () => {
    const path = tokenFilePath(folder, 'desk')
    await replaceSecretFile(path, 'first')
    await replaceSecretFile(path, 'second')
    expect(statSync(path).mode & 0o777).toBe(0o600)
    expect(statSync(join(folder, 'tokens')).mode & 0o777).toBe(0o700)
    expect(readdirSync(join(folder, 'tokens'))).toEqual(['desk.json'])
  })
})
