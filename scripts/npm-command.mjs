/**
 * How to run npm from inside an npm script: by its own file, without a shell, and free of the
 * settings that the outer npm hands down (`npm test --omit=dev` would otherwise install without the
 * compiler, `npm --prefix` elsewhere).
 */
import { existsSync, realpathSync } from 'node:fs'
import { delimiter, dirname, join } from 'node:path'

/** Settings that say how to reach the registry; all others are dropped. */
const REACHES_REGISTRY =
  /^npm_config_(registry|cache|userconfig|globalconfig|.*proxy|ca|cafile|cert|key|strict_ssl|fetch_.*|maxsockets|offline|prefer_offline|prefer_online|user_agent|@.*|\/\/.*)$/i

/** The path of npm's program, or undefined where there is none. */
export function npmCliPath() {
  const given = process.env.npm_execpath
  if (given?.endsWith('npm-cli.js') && existsSync(given)) return given
  const beside = dirname(process.execPath)
  const places = [
    join(beside, 'node_modules', 'npm', 'bin', 'npm-cli.js'),
    join(beside, '..', 'lib', 'node_modules', 'npm', 'bin', 'npm-cli.js'),
    ...fromPath(),
  ]
  return places.find((place) => existsSync(place))
}

/** On Unix `npm` in PATH is a link to the program. */
function fromPath() {
  const links = (process.env.PATH ?? '').split(delimiter).map((folder) => join(folder, 'npm'))
  const targets = links.filter((link) => existsSync(link)).map((link) => realpathSync(link))
  return targets.filter((target) => target.endsWith('npm-cli.js'))
}

/** `environment` without inherited npm settings and without NODE_ENV, which can hide packages. */
export function npmEnvironment(environment) {
  const kept = Object.entries(environment).filter(
    ([name]) => !/^npm_config_/i.test(name) || REACHES_REGISTRY.test(name),
  )
  const { NODE_ENV: _dropped, ...rest } = Object.fromEntries(kept)
  return rest
}
