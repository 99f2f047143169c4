// Preloaded into a process and its threads: while the file that NO_SPACE names exists, nothing can be
// written in threads, which is where the engine is, as on a full disk.
import fs from 'node:fs'
import { isMainThread } from 'node:worker_threads'

const { writeSync, existsSync } = fs
const flag = process.env.NO_SPACE
if (!isMainThread) {
  fs.writeSync = (...args) => {
    // Its words on stderr still pass.
    if (args[0] <= 2 || !existsSync(flag)) return writeSync(...args)
    const error = new Error('ENOSPC: no space left on device, write')
    throw Object.assign(error, { code: 'ENOSPC', errno: -28, syscall: 'write' })
  }
}
