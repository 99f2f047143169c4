import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  closeStatementMessage,
  concatBytes,
  FrameReader,
  firstValue,
  queryMessage,
  sqlOf,
  startupPacket,
  statementOf,
  syncMessage,
  WireError,
  withPrefix,
} from '../../../src/postgres/embedded/wire.ts'

const text = (content: string) => Buffer.from(`${content}\0`)

function frame(type: string, ...parts: Uint8Array[]): Uint8Array {
  const body = Buffer.concat(parts)
  const head = Buffer.alloc(5)
  head.write(type, 'latin1')
  head.writeInt32BE(body.byteLength + 4, 1)
  return Buffer.concat([head, body])
}

function messagesOf(chunks: Uint8Array[]): Uint8Array[] {
  const reader = new FrameReader(1_000_000)
  const messages: Uint8Array[] = []
  for (const chunk of chunks) {
    reader.push(chunk)
    for (let next = reader.nextMessage(); next !== undefined; next = reader.nextMessage()) {
      messages.push(next.bytes.slice())
    }
  }
  return messages
}

function cut(bytes: Uint8Array, at: number[]): Uint8Array[] {
  const bounds = [0, ...[...at].sort((a, b) => a - b), bytes.byteLength]
  return bounds.slice(1).map((end, i) => bytes.slice(bounds[i] ?? 0, end))
}

describe('the frames of a client', () => {
  it('come out whole and in order, however the network cut them', () => {
    const anyFrame = fc
      .tuple(fc.constantFrom('P', 'B', 'E', 'S', 'Q'), fc.uint8Array({ maxLength: 40 }))
      .map(([type, body]) => frame(type, body))
    fc.assert(
      fc.property(
        fc.array(anyFrame, { maxLength: 8 }),
        fc.infiniteStream(fc.nat()),
        (frames, cuts) => {
          const whole = Buffer.concat(frames)
          const at = [...cuts.take(6)].map((cutAt) => cutAt % (whole.byteLength + 1))
          const seen = messagesOf(cut(whole, at))
          expect(seen.map((bytes) => Buffer.from(bytes).toString('hex'))).toEqual(
            frames.map((bytes) => Buffer.from(bytes).toString('hex')),
          )
        },
      ),
    )
  })

  it('are refused when they announce a length that cannot be', () => {
    for (const length of [3, -1, 2_000_000]) {
      const reader = new FrameReader(1_000_000)
      const bytes = Buffer.alloc(5)
      bytes.write('Q')
      bytes.writeInt32BE(length, 1)
      reader.push(bytes)
      expect(() => reader.nextMessage()).toThrow(WireError)
    }
  })

  it('begin with a startup packet, an encryption request or a cancel request', () => {
    const read = (bytes: Uint8Array) => {
      const reader = new FrameReader(1_000)
      reader.push(bytes)
      return reader.nextStartup()
    }
    const request = (code: number) => {
      const bytes = Buffer.alloc(8)
      bytes.writeInt32BE(8, 0)
      bytes.writeInt32BE(code, 4)
      return bytes
    }
    expect(read(startupPacket('a', 'b'))).toEqual({
      kind: 'startup',
      majorVersion: 3,
      minorVersion: 0,
    })
    expect(read(request(80_877_103))).toEqual({ kind: 'encryption' })
    expect(read(request(80_877_104))).toEqual({ kind: 'encryption' })
    expect(read(request(80_877_102))).toEqual({ kind: 'cancel' })
    expect(read(request(3 << 16).subarray(0, 7))).toBeUndefined()
  })
})

describe('prepared statements', () => {
  const prefixed = (bytes: Uint8Array) => {
    const message = { type: String.fromCharCode(bytes[0] ?? 0), bytes }
    const statement = statementOf(message)
    return statement === undefined ? undefined : Buffer.from(withPrefix(bytes, statement, 'c7_'))
  }

  it('get the client’s prefix in every message that names them', () => {
    const rest = Buffer.from([0, 0])
    expect(prefixed(frame('P', text('st'), text('select 1'), rest))).toEqual(
      frame('P', text('c7_st'), text('select 1'), rest),
    )
    expect(prefixed(frame('B', text('portal'), text('st'), rest))).toEqual(
      frame('B', text('portal'), text('c7_st'), rest),
    )
    expect(prefixed(frame('D', text('Sst')))).toEqual(frame('D', text('Sc7_st')))
    expect(prefixed(closeStatementMessage('st'))).toEqual(frame('C', text('Sc7_st')))
  })

  it('without a name, and portals, stay as they are', () => {
    expect(prefixed(frame('P', text(''), text('select 1'), Buffer.alloc(2)))).toBeUndefined()
    expect(prefixed(frame('B', text(''), text(''), Buffer.alloc(6)))).toBeUndefined()
    expect(prefixed(frame('D', text('Pportal')))).toBeUndefined()
    expect(prefixed(syncMessage())).toBeUndefined()
  })

  it('and queries show their SQL', () => {
    const sql = (bytes: Uint8Array) => sqlOf({ type: String.fromCharCode(bytes[0] ?? 0), bytes })
    expect(sql(queryMessage('SELECT ’é’'))).toBe('SELECT ’é’')
    expect(sql(frame('P', text('name'), text('SELECT $1'), Buffer.alloc(2)))).toBe('SELECT $1')
    expect(sql(syncMessage())).toBeUndefined()
  })
})

describe('the first value of an answer', () => {
  const row = (value: Buffer | null) => {
    const head = Buffer.alloc(6)
    head.writeInt16BE(1, 0)
    head.writeInt32BE(value?.byteLength ?? -1, 2)
    return frame('D', head, value ?? Buffer.alloc(0))
  }

  it('is the first column of the first row', () => {
    const answer = concatBytes([
      frame('T', Buffer.alloc(9)),
      row(Buffer.from('42')),
      row(Buffer.from('43')),
    ])
    expect(firstValue(answer)).toBe('42')
  })

  it('is undefined for NULL and where there is no row', () => {
    expect(firstValue(row(null))).toBeUndefined()
    expect(firstValue(frame('C', text('SELECT 0')))).toBeUndefined()
  })
})
