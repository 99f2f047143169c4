/** From starting the installed program to the first live chain: the first start ever, and a restart. */
import type { BenchContext } from './context.ts'
import { residentMb } from './load/process-cpu.ts'
import { Program } from './load/program.ts'
import { withFolder } from './load/scratch.ts'
import { atMost, type ResultRow } from './report.ts'

const MUST_MS = 10_000
const AIM_MS = 4_000

interface StartFigures {
  readonly chainMs: number
  readonly stopMs: number
  readonly memoryMb: number | undefined
}

export function benchStart(context: BenchContext): Promise<readonly ResultRow[]> {
  return withFolder(async (folder) => {
    context.say('start')
    const first = await startOnce(context, folder)
    const again = await startOnce(context, folder)
    return [
      startRow('first start with an empty data folder', first),
      startRow('restart on the data of before', again),
    ]
  })
}

async function startOnce(context: BenchContext, folder: string): Promise<StartFigures> {
  const startMs = performance.now()
  const program = await Program.start({
    main: context.main,
    command: 'up',
    folder,
    nodeArgs: context.nodeArgs,
  })
  try {
    await program.liveChain(await program.address('Monitor'))
    const chainMs = performance.now() - startMs
    const memoryMb = residentMb(program.child.pid)
    const stopFromMs = performance.now()
    await program.stop()
    return { chainMs, memoryMb, stopMs: performance.now() - stopFromMs }
  } finally {
    await program.stop()
  }
}

function startRow(what: string, { chainMs, stopMs, memoryMb }: StartFigures): ResultRow {
  const memory = memoryMb === undefined ? '' : `; ${Math.round(memoryMb)} MB at that moment`
  return {
    bench: 'start',
    what: `${what} → live chain`,
    measured: `${(chainMs / 1000).toFixed(1)} s`,
    must: '10 s',
    aim: '4 s',
    verdict: atMost(chainMs, MUST_MS, AIM_MS),
    details: `stopped in order in ${(stopMs / 1000).toFixed(1)} s${memory}`,
  }
}
