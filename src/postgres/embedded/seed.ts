/**
 * Makes an empty cluster. That takes the engine some seconds and several hundred MB, so it happens in
 * a thread that ends afterwards, and better still once at build time: a store whose folder is empty
 * then begins as a copy of that seed.
 */
import { existsSync } from 'node:fs'
import { cp, mkdir, rename, rm } from 'node:fs/promises'
import { dirname } from 'node:path'
import { fileURLToPath } from 'node:url'
import { Worker } from 'node:worker_threads'

/** Where the build puts the seed: beside this file's compiled form. */
export const BUILT_SEED = fileURLToPath(new URL('./seed', import.meta.url))

/** Makes an empty cluster at `path`, which must not exist; complete or not there at all. */
export function prepareSeed(path: string): Promise<void> {
  return completed(path, createCluster)
}

/** Copies the seed to `path`; false where there is no seed. */
export async function copySeed(seed: string, path: string): Promise<boolean> {
  if (!existsSync(seed)) return false
  await completed(path, (partial) => cp(seed, partial, { recursive: true, mode: COPY_ON_WRITE }))
  return true
}

const COPY_ON_WRITE = 2

async function completed(path: string, fill: (partial: string) => Promise<void>): Promise<void> {
  const partial = `${path.replace(/[\\/]+$/, '')}.partial`
  await rm(partial, { recursive: true, force: true })
  await mkdir(dirname(partial), { recursive: true })
  await fill(partial)
  await rename(partial, path)
}

function createCluster(path: string): Promise<void> {
  return new Promise((resolve, reject) => {
    const worker = new Worker(new URL('./seed-worker.js', import.meta.url), { workerData: path })
    worker.on('error', reject)
    worker.on('exit', (code) => {
      if (code === 0) resolve()
      else reject(new Error(`the thread that makes an empty store ended with code ${code}`))
    })
  })
}
