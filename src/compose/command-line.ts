/**
 * The command line as it was typed: which command, with which options. What is wrong with it is said
 * in one sentence that names the word and what would be right. Pure.
 */
import { parseArgs } from 'node:util'
import { nearestName } from '../kit/nearest-name.ts'

const TEXT = { type: 'string' } as const
const SWITCH = { type: 'boolean' } as const

const OPTIONS = {
  'env-file': TEXT,
  help: { ...SWITCH, short: 'h' },
  version: { ...SWITCH, short: 'v' },
  from: TEXT,
  to: TEXT,
  speed: TEXT,
  port: TEXT,
  lead: TEXT,
  paste: SWITCH,
  plan: SWITCH,
  expiry: TEXT,
  days: TEXT,
  date: TEXT,
  'against-broker': SWITCH,
  after: TEXT,
  json: SWITCH,
} as const
type OptionName = keyof typeof OPTIONS
type NamesOf<Type> = {
  [Name in OptionName]: (typeof OPTIONS)[Name]['type'] extends Type ? Name : never
}[OptionName]
type TextName = NamesOf<'string'>
type SwitchName = NamesOf<'boolean'>

const OF_ALL: readonly OptionName[] = ['env-file', 'help', 'version']

interface CommandShape {
  readonly options: readonly OptionName[]
  /** A word behind the command; unless said there is none. */
  readonly operand?: 'needed' | 'possible'
}

const COMMANDS = {
  up: { options: [] },
  exchange: { options: [] },
  ticker: { options: [] },
  backend: { options: [] },
  replay: { options: ['from', 'to', 'speed', 'port', 'lead'] },
  login: { options: ['paste'], operand: 'possible' },
  subscribe: { options: ['plan'] },
  backfill: { options: ['expiry', 'days'], operand: 'needed' },
  verify: { options: ['date', 'against-broker', 'after', 'json'] },
} as const satisfies Record<string, CommandShape>
export type CommandName = keyof typeof COMMANDS

const NAMES = Object.keys(COMMANDS) as CommandName[]
/** A few slips of the pen away. */
const SLIPS = 2

/** What was typed cannot be done; the message says what would be right. */
export class UsageError extends Error {
  override readonly name = 'UsageError'
}

export interface CommandLine {
  readonly command: CommandName
  /** The word behind the command. */
  readonly operand: string | undefined
  readonly texts: Readonly<Partial<Record<TextName, string>>>
  readonly switches: ReadonlySet<SwitchName>
}

/** Throws UsageError. With `--help` or `--version` nothing else is needed. */
export function readCommandLine(argv: readonly string[]): CommandLine {
  const { tokens } = parseArgs({
    ...{ args: [...argv], options: OPTIONS },
    ...{ allowPositionals: true, strict: false, tokens: true },
  })
  const words = tokens.flatMap((token) => (token.kind === 'positional' ? [token.value] : []))
  const command = commandOf(words[0] ?? 'up')
  const texts: Partial<Record<TextName, string>> = {}
  const switches = new Set<SwitchName>()
  for (const token of tokens) {
    if (token.kind !== 'option') continue
    const { rawName, value, inlineValue } = token
    const name = optionOf(token.name, rawName, command)
    if (OPTIONS[name].type === 'string') {
      texts[name as TextName] = textOf(rawName, value, inlineValue)
    } else {
      if (value !== undefined)
        throw new UsageError(`${rawName} takes no value: leave out =${value}`)
      switches.add(name as SwitchName)
    }
  }
  const isAsking = switches.has('help') || switches.has('version')
  const operand = isAsking ? undefined : operandOf(command, words.slice(1))
  return { command, operand, texts, switches }
}

function commandOf(word: string): CommandName {
  const known = NAMES.find((name) => name === word)
  if (known !== undefined) return known
  throw new UsageError(`Unknown command: ${word}; ${meant(word, NAMES)}`)
}

function optionOf(typed: string, rawName: string, command: CommandName): OptionName {
  const names = Object.keys(OPTIONS) as OptionName[]
  const name = names.find((known) => known === typed)
  const own = ownOptions(command)
  if (name === undefined) {
    const shown = own.map((one) => `--${one}`)
    throw new UsageError(`Unknown option ${rawName} of ${command}; ${meant(rawName, shown)}`)
  }
  if (own.includes(name)) return name
  const owner = NAMES.find((other) => ownOptions(other).includes(name))
  throw new UsageError(`${rawName} is an option of ${owner}, not of ${command}`)
}

function ownOptions(command: CommandName): readonly OptionName[] {
  return [...COMMANDS[command].options, ...OF_ALL]
}

/** What is close, else all there are. */
function meant(word: string, known: readonly string[]): string {
  const nearest = nearestName(word, known)
  const isNear = nearest !== undefined && nearest.edits <= SLIPS && nearest.edits < word.length
  if (isNear) return `did you mean ${nearest.name}?`
  return `there are ${known.join(', ')}`
}

function textOf(rawName: string, value: string | undefined, isInline: boolean | undefined): string {
  const isOption = isInline !== true && value !== undefined && /^--?[a-z]/i.test(value)
  if (value !== undefined && value !== '' && !isOption) return value
  throw new UsageError(`${rawName} needs a value behind it: ${rawName} ${VALUES[rawName] ?? '…'}`)
}

/** One that would do. */
const VALUES: Readonly<Record<string, string>> = {
  '--env-file': '.env.dev',
  '--from': '2026-11-20T09:15',
  '--to': '2026-11-20T15:30',
  '--speed': '10',
  '--port': '8090',
  '--lead': '20',
  '--expiry': 'nearest',
  '--days': '5',
  '--date': '2026-11-20',
  '--after': 'NIFTY26NOV24000CE',
}

function operandOf(command: CommandName, words: readonly string[]): string | undefined {
  const { operand }: CommandShape = COMMANDS[command]
  const [word] = words
  if (operand === 'needed' && word === undefined) {
    throw new UsageError(
      `${command} needs the name of an underlying or a contract behind it: fostream ${command} NIFTY`,
    )
  }
  const unexpected = words[operand === undefined ? 0 : 1]
  if (unexpected === undefined) return word
  throw new UsageError(`${command} cannot be given "${unexpected}"; leave it out`)
}
