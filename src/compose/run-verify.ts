/**
 * `fostream verify`: whether the store is what the journal says, while the platform runs and while
 * it is stopped. A database is asked directly. The embedded store belongs to `fostream up` while that
 * runs, so that is asked over its REST; while nothing runs the store is opened here, under its lock.
 * Journals are read from the data folder, or over HTTP from a ticker that has another one.
 */
import { join } from 'node:path'
import type { Config } from '../config.ts'
import { FolderJournal } from '../journal/folder-journal.ts'
import { RemoteBatches } from '../journal/remote-batches.ts'
import { systemClock } from '../kit/clock.ts'
import { acquireFolderLock, FolderLockedError } from '../kit/folder-lock.ts'
import { ProgressLine } from '../kit/progress-line.ts'
import { Releasers } from '../kit/releasers.ts'
import { VERIFY_PROGRESS_LINES_MS } from '../limits.ts'
import { openStore, type StoreTarget } from '../postgres/connection.ts'
import { openEmbedded } from '../postgres/embedded/open-embedded.ts'
import { StoreFolder } from '../postgres/embedded/store-folder.ts'
import { type BrokerVerdict, CompleteBars, compareWithBroker } from '../verify/against-broker.ts'
import type { AskStore, JournalSource } from '../verify/ports.ts'
import { sayBroker, sayBrokerProgress, sayProgress, sayVerdict } from '../verify/say-verdict.ts'
import { askOverHttp } from '../verify/serve-store.ts'
import { isFaultless, type Verdict, verify } from '../verify/verify.ts'
import { VerifyError } from '../verify/verify-error.ts'
import { askPool } from './ask-pool.ts'
import { configuredCalendar } from './market-calendar.ts'
import { roleLog } from './role-parts.ts'

export interface VerifyArguments {
  /** `YYYY-MM-DD`; the date that the store has reached where undefined. */
  readonly date: string | undefined
  readonly isAgainstBroker: boolean
  /** With the broker: goes on behind this tradingsymbol. */
  readonly after: string | undefined
  readonly isJson: boolean
}

const FINE = 0
const NOT_AS_IT_MUST_BE = 1
const WRONGLY_ASKED = 2
const COULD_NOT_LOOK = 3

/** The exit code: 0 fine, 1 something is lost or unexplained, 2 asked wrongly, 3 it could not look. */
export async function runVerify(config: Config, given: VerifyArguments): Promise<number> {
  const releasers = new Releasers()
  const progress = progressOf(given)
  try {
    return await look(config, given, releasers, progress)
  } catch (error) {
    progress.end()
    const why = error instanceof Error ? error.message : String(error)
    if (error instanceof VerifyError && error.code === 'unknown_instrument') {
      process.stderr.write(`--after ${given.after}: ${why}; give a tradingsymbol of that date\n`)
      return WRONGLY_ASKED
    }
    process.stderr.write(`Could not verify: ${why}\n`)
    return COULD_NOT_LOOK
  } finally {
    progress.end()
    await releasers.release()
  }
}

async function look(
  config: Config,
  given: VerifyArguments,
  releasers: Releasers,
  progress: ProgressLine,
): Promise<number> {
  const log = roleLog(config, 'verify')
  releasers.push('log', () => log.close())
  const calendar = configuredCalendar(config, log)
  progress.say('Verifying: asking the store')
  const ask = await storeOf(config, releasers)
  const bars = new CompleteBars()
  const verdict = await verify({
    ask,
    journals: await journalsOf(config),
    feed: config.feed,
    calendar,
    riskFreeRate: config.riskFreeRate,
    date: given.date,
    known: given.after,
    ...(given.isAgainstBroker ? { onCompleteBar: (row) => bars.add(row) } : {}),
    onProgress: (done) => progress.say(sayProgress(done)),
  })
  progress.clear()
  if (!given.isJson) process.stdout.write(sayVerdict(verdict))
  const broker = given.isAgainstBroker
    ? await compareWithBroker({
        tickerUrl: tickerUrlsOf(config)[0] ?? '',
        headers: headersOf(config),
        bars,
        instruments: verdict.instruments,
        calendar,
        date: verdict.date,
        after: given.after,
        onProgress: (done) => progress.say(sayBrokerProgress(done)),
        clock: systemClock,
      })
    : undefined
  progress.end()
  if (given.isJson) process.stdout.write(`${JSON.stringify(jsonOf(verdict, broker))}\n`)
  else if (broker !== undefined) process.stdout.write(sayBroker(broker))
  const isFine = isFaultless(verdict) && (broker?.counts.unexplained ?? 0) === 0
  return isFine ? FINE : NOT_AS_IT_MUST_BE
}

/** A program that reads the JSON is told nothing else, unless somebody looks on. */
function progressOf({ isJson }: VerifyArguments): ProgressLine {
  const isSilent = isJson && process.stderr.isTTY !== true
  const target = isSilent ? { write: ignore } : process.stderr
  return new ProgressLine(target, systemClock, VERIFY_PROGRESS_LINES_MS)
}

function jsonOf({ instruments, ...verdict }: Verdict, broker: BrokerVerdict | undefined) {
  const isFine = isFaultless({ ...verdict, instruments }) && (broker?.counts.unexplained ?? 0) === 0
  return { ok: isFine, ...verdict, broker: broker ?? null }
}

// ---------------------------------------------------------------- the store

async function storeOf(config: Config, releasers: Releasers): Promise<AskStore> {
  if (config.store.kind === 'postgres') {
    return askPostgres({ kind: 'url', url: config.store.url }, releasers)
  }
  try {
    const lock = await acquireFolderLock(config.folders.feedData, 'another fostream')
    releasers.push('data folder', () => lock.release())
  } catch (error) {
    if (!(error instanceof FolderLockedError)) throw error
    return askRunning(config)
  }
  return askEmbedded(`${config.folders.feedData}/store`, releasers)
}

async function askRunning(config: Config): Promise<AskStore> {
  const url = `http://${hostOf(config)}:${config.backend.port}`
  const ask = askOverHttp(url, headersOf(config), config.backend.tickerTimeoutMs)
  try {
    await ask({ ask: 'positions' })
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause)
    const message = `the embedded store is in use by a running fostream, and nothing answers for it at ${url} (BACKEND_PORT): ${why}`
    throw new VerifyError('store_away', message, { cause })
  }
  return ask
}

/** Never sets a store aside: what the next start would do with it is not for a look to do. */
async function askEmbedded(dataDir: string, releasers: Releasers): Promise<AskStore> {
  const folder = new StoreFolder(dataDir, systemClock)
  if (!folder.hasCluster()) {
    throw new VerifyError('nothing_stored', `there is no store in ${dataDir} yet`)
  }
  if ((await folder.unclean()) === 'machine') {
    const message = `the machine went down while the store in ${dataDir} was open; the next start makes it anew from the journal`
    throw new VerifyError('store_away', message)
  }
  const log = { info: ignore, warn: ignore, error: ignore }
  const store = await openEmbedded({ dataDir, clock: systemClock, log })
  return askPostgres({ kind: 'embedded', store }, releasers)
}

function ignore(): void {
  // What the store says while it is opened is in its answers too; nobody reads a silent progress.
}

function askPostgres(target: StoreTarget, releasers: Releasers): AskStore {
  const log = { warn: ignore }
  const store = openStore(target, { applicationName: 'fostream verify', log, poolSize: 1 })
  releasers.push('store', () => store.close())
  return askPool(store.pool)
}

// ---------------------------------------------------------------- the journals

/** A ticker that answers and whose journal is not the one in the folder is read over HTTP. */
async function journalsOf(config: Config): Promise<JournalSource[]> {
  const own = await FolderJournal.openAll(join(config.folders.feedData, 'journal'))
  if (config.store.kind === 'embedded') return own
  const remote = await Promise.all(tickerUrlsOf(config).map((url) => remoteJournal(url, config)))
  const elsewhere: RemoteBatches[] = []
  for (const journal of remote) {
    const same = own.find(({ producer }) => producer === journal?.producer)
    const isHere = same !== undefined && (await same.lastEpoch()) === journal?.epoch
    if (journal !== undefined && !isHere) elsewhere.push(journal)
  }
  const names = new Set(elsewhere.map(({ producer }) => producer))
  return [...elsewhere, ...own.filter(({ producer }) => !names.has(producer))]
}

async function remoteJournal(url: string, config: Config): Promise<RemoteBatches | undefined> {
  const signal = AbortSignal.timeout(config.backend.tickerTimeoutMs)
  const [answer] = await Promise.allSettled([
    RemoteBatches.open({ url, headers: headersOf(config) }, signal),
  ])
  return answer.status === 'fulfilled' ? answer.value : undefined
}

/** In one process the ticker is where it listens itself. */
function tickerUrlsOf(config: Config): readonly string[] {
  if (config.store.kind === 'postgres') return config.backend.tickerUrls
  return [`http://${hostOf(config)}:${config.ticker.port}`]
}

function hostOf({ bindHost }: Config): string {
  if (bindHost === '0.0.0.0' || bindHost === '::') return '127.0.0.1'
  return bindHost.includes(':') ? `[${bindHost}]` : bindHost
}

function headersOf({ backend }: Config): Readonly<Record<string, string>> {
  return backend.tickerApiKey === undefined ? {} : { 'x-api-key': backend.tickerApiKey }
}
