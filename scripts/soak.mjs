/** `npm run soak -- --seconds 300 --seed 1`: compiles and runs `bench/soak.ts`, with its arguments. */
import { join } from 'node:path'
import { compileAndRun, ROOT } from './compile-bench.mjs'

const main = join(ROOT, 'dist', 'main.js')
process.exitCode = await compileAndRun('soak', ['--main', main, ...process.argv.slice(2)])
