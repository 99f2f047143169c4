/** Requests to the program that is measured, and a steady stream of them. */
import { Agent, get } from 'node:http'
import { LatencyHistogram, type LatencySummary } from '../../src/kit/latency-histogram.ts'

export async function getJson<T>(url: string): Promise<T> {
  const response = await fetch(url)
  if (!response.ok) throw new Error(`${url} answered ${response.status}: ${await response.text()}`)
  return (await response.json()) as T
}

export function postJson<T>(
  url: string,
  body: unknown,
  headers: Readonly<Record<string, string>> = {},
): Promise<T> {
  return sendJson('POST', url, body, headers)
}

export function putJson<T>(url: string, body: unknown): Promise<T> {
  return sendJson('PUT', url, body, {})
}

async function sendJson<T>(
  method: 'POST' | 'PUT',
  url: string,
  body: unknown,
  more: Readonly<Record<string, string>>,
): Promise<T> {
  const headers = { 'content-type': 'application/json', ...more }
  const response = await fetch(url, { method, headers, body: JSON.stringify(body) })
  const text = await response.text()
  if (!response.ok) throw new Error(`${url} answered ${response.status}: ${text.slice(0, 500)}`)
  return JSON.parse(text) as T
}

export interface RequestLoad {
  readonly latency: LatencySummary
  readonly failed: number
  readonly perSecond: number
}

const CONNECTIONS = 16
const CLOSED_LOOPS = 8

/** Asks at an even rate, whether or not answers come; latency counts from when a request was due. */
export async function requestsAtRate(
  url: string,
  perSecond: number,
  seconds: number,
): Promise<RequestLoad> {
  const agent = new Agent({ keepAlive: true, maxSockets: CONNECTIONS })
  const latency = new LatencyHistogram()
  const startMs = performance.now()
  const total = perSecond * seconds
  const waiting: Promise<boolean>[] = []
  while (waiting.length < total) {
    const due = Math.floor(((performance.now() - startMs) * perSecond) / 1000) + 1
    while (waiting.length < Math.min(due, total)) {
      const dueMs = startMs + (waiting.length * 1000) / perSecond
      waiting.push(ask(url, agent, latency, dueMs))
    }
    await new Promise((resolve) => setTimeout(resolve, 1))
  }
  const answers = await Promise.all(waiting)
  return summary(agent, latency, answers, startMs)
}

/** Asks as fast as answers come, over a few connections. */
export async function requestsAtOnce(url: string, seconds: number): Promise<RequestLoad> {
  const agent = new Agent({ keepAlive: true, maxSockets: CLOSED_LOOPS })
  const latency = new LatencyHistogram()
  const startMs = performance.now()
  const answers: boolean[] = []
  const loop = async () => {
    while (performance.now() - startMs < seconds * 1000) {
      answers.push(await ask(url, agent, latency, performance.now()))
    }
  }
  await Promise.all(Array.from({ length: CLOSED_LOOPS }, loop))
  return summary(agent, latency, answers, startMs)
}

function summary(
  agent: Agent,
  latency: LatencyHistogram,
  answers: readonly boolean[],
  startMs: number,
): RequestLoad {
  agent.destroy()
  return {
    latency: latency.summary(),
    failed: answers.filter((isGood) => !isGood).length,
    perSecond: (answers.length * 1000) / (performance.now() - startMs),
  }
}

/** True where the answer was good and whole. */
function ask(
  url: string,
  agent: Agent,
  latency: LatencyHistogram,
  dueMs: number,
): Promise<boolean> {
  return new Promise((resolve) => {
    const done = (isGood: boolean) => {
      latency.record(performance.now() - dueMs)
      resolve(isGood)
    }
    const request = get(url, { agent }, (response) => {
      response.resume()
      response.once('end', () => done(response.statusCode === 200))
      response.once('error', () => done(false))
    })
    request.once('error', () => done(false))
  })
}
