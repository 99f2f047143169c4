import { describe, expect, it } from 'vitest'
import { parseEnvFile, referencesIn, replaceReferences } from '../../src/kit/env-file.ts'

function texts(content: string): Record<string, string> {
  const { values } = parseEnvFile(content)
  return Object.fromEntries([...values].map(([name, { text }]) => [name, text]))
}

describe('an env file', () => {
  it.each([
    ['A=1', { A: '1' }],
    ['  export A = spaced out  ', { A: 'spaced out' }],
    ['A=', { A: '' }],
    ['A=# nothing', { A: '' }],
    ['A=value # why', { A: 'value' }],
    ['A=pass#word', { A: 'pass#word' }],
    ['A="with # and \\"quotes\\"\\nand a line" # why', { A: 'with # and "quotes"\nand a line' }],
    ["A='as $it ${IS}'", { A: 'as $it ${IS}' }],
    ['A=1\r\nB=2\r\n', { A: '1', B: '2' }],
    ['\uFEFFA=1\nA=2', { A: '2' }],
    ['# A=1\n\n', {}],
    ['A=postgresql://u:p@h/db?x=1', { A: 'postgresql://u:p@h/db?x=1' }],
  ])('reads %j', (content, expected) => {
    expect(texts(content)).toEqual(expected)
    expect(parseEnvFile(content).unreadableLines).toEqual([])
  })

  it('names the lines that it cannot read', () => {
    const { unreadableLines, values } = parseEnvFile('A=1\nnonsense\nB="open\n2C=3\nD=4')
    expect(unreadableLines).toEqual([2, 3, 4])
    expect([...values.keys()]).toEqual(['A', 'D'])
  })

  it('knows that single quotes keep a reference from being replaced', () => {
    const { values } = parseEnvFile('A=\'${X}\'\nB="${X}"\nC=${X}')
    expect([...values.values()].map(({ isLiteral }) => isLiteral)).toEqual([true, false, false])
  })
})

describe('references', () => {
  it('are found and replaced by name', () => {
    expect(referencesIn('${A}-$B-${C_1}-${}-${d')).toEqual(['A', 'C_1'])
    expect(replaceReferences('${A}:${B}', (name) => `<${name}$&>`)).toBe('<A$&>:<B$&>')
  })
})
