import { mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { RotatingFile } from '../../src/kit/rotating-file.ts'

let folder: string
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'fostream-rotating-'))
})
afterEach(() => rmSync(folder, { recursive: true }))

describe('a rotating file', () => {
  it('counts the lines it cannot write and tells when it can again', () => {
    const path = join(folder, 'ticker.log')
    const file = new RotatingFile({
      path,
      maxBytes: 12,
      filesKept: 1,
      lossLine: (lostLines) => `lost ${lostLines}\n`,
    })
    file.write('first\n')
    // A folder in the way of the rotated file makes the rotation fail.
    mkdirSync(join(`${path}.1`, 'in-the-way'), { recursive: true })
    file.write('second line\n')
    file.write('third line\n')
    expect(file.lostLines).toBe(2)
    rmSync(`${path}.1`, { recursive: true })
    file.write('fourth\n')
    file.close()
    expect(file.lostLines).toBe(0)
    expect(readFileSync(path, 'utf8')).toBe('fourth\n')
    expect(readFileSync(`${path}.1`, 'utf8')).toBe('lost 2\n')
  })
})
