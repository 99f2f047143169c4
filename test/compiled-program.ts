/**
 * Programs of processes that a test starts and kills, compiled from the sources as they are now: Node 20
 * cannot run TypeScript, and what was built before may be absent or of another state.
 */
import { symlink } from 'node:fs/promises'
import { basename, join, resolve } from 'node:path'
import { build } from 'vite'

/** Compiles into `folder`, which the test deletes; packages are those that are installed. The program's path. */
export async function compiledProgram(source: string, folder: string): Promise<string> {
  await symlink(resolve('node_modules'), join(folder, 'node_modules'), 'junction')
  const outDir = join(folder, 'program')
  const output = { entryFileNames: '[name].mjs' }
  await build({
    configFile: false,
    logLevel: 'silent',
    build: { ssr: resolve(source), outDir, target: 'node20', rolldownOptions: { output } },
  })
  return join(outDir, basename(source).replace(/\.ts$/, '.mjs'))
}
