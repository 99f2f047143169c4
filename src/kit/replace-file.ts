/** Small files that must be whole after any crash: read as a whole, replaced as a whole. */
import { mkdir, open, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { dirname } from 'node:path'

/** Undefined where there is no such file. */
export async function readWhole(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, 'utf8')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw error
  }
}

/**
 * Puts `text` in the file's place at once: the old or the new text is there, never a part, and the new
 * one stays through a power cut. A folder that is not there is made. Of a text in pieces each is made
 * when the one before it is written, and other work has its turn in between.
 */
export function replaceFile(path: string, text: string | Iterable<string>): Promise<void> {
  return replace(path, text, { temporary: `${path}.new`, folderMode: 0o777, fileMode: 0o666 })
}

/** The same, readable by its owner alone, as is a folder that is made; other processes may do so too. */
export function replaceSecretFile(path: string, text: string): Promise<void> {
  const temporary = `${path}.${process.pid}.new`
  return replace(path, text, { temporary, folderMode: 0o700, fileMode: 0o600 })
}

interface Replacing {
  readonly temporary: string
  readonly folderMode: number
  readonly fileMode: number
}

async function replace(
  path: string,
  text: string | Iterable<string>,
  { temporary, folderMode, fileMode }: Replacing,
): Promise<void> {
  await mkdir(dirname(path), { recursive: true, mode: folderMode })
  // One that a crash has left may have another mode.
  await rm(temporary, { force: true })
  const handle = await open(temporary, 'wx', fileMode)
  try {
    await writeFile(handle, text)
    await handle.sync()
  } finally {
    await handle.close()
  }
  await rename(temporary, path)
  await syncFolder(dirname(path))
}

/** What was renamed in the folder stays so through a power cut. */
export async function syncFolder(folder: string): Promise<void> {
  // Windows cannot open a folder; its file systems log the entry themselves.
  if (process.platform === 'win32') return
  const handle = await open(folder, 'r')
  try {
    await handle.sync()
  } finally {
    await handle.close()
  }
}
