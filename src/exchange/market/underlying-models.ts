/**
 * What the simulated market knows of each underlying: where it stands, how it moves, what its
 * options are quoted at and how busy they are. Levels are those of autumn 2026; figures of activity
 * are of a whole day that never closes.
 */

export interface UnderlyingModel {
  /** Canonical symbol; the dump's name of a commodity. */
  readonly symbol: string
  /** Rupees. */
  readonly level: number
  /** Standard deviation of the log price, a year. */
  readonly volatility: number
  /** Correlation with the path that all indices share. */
  readonly correlation: number
  /** Continuous yearly rate at which a forward stands above the spot: interest less dividends. */
  readonly carry: number
  /** At-the-money implied volatility where the level of volatility is neutral. */
  readonly impliedVolatility: number
  /** Smallest step of the spot, paise. */
  readonly spotTick: number
  /** Lots a day of the nearest at-the-money option, and of the nearest future. */
  readonly optionLots: number
  readonly futureLots: number
  /** Open interest of the busiest option of the nearest expiry, and of the nearest future, in lots. */
  readonly optionOpenLots: number
  readonly futureOpenLots: number
  /** Every such strike is popular, in rupees. */
  readonly roundStrike: number
  /** Days by which an option's busyness falls to a third: short where there are weekly expiries. */
  readonly busyDays: number
}

const INTEREST = 0.065
const DIVIDENDS = 0.012
const WEEKLY_BUSY_DAYS = 5
const MONTHLY_BUSY_DAYS = 22

function index(
  symbol: string,
  level: number,
  moves: readonly [volatility: number, correlation: number, impliedVolatility: number],
  lots: readonly [option: number, future: number, optionOpen: number, futureOpen: number],
  roundStrike: number,
): UnderlyingModel {
  return {
    symbol,
    level,
    volatility: moves[0],
    correlation: moves[1],
    carry: INTEREST - DIVIDENDS,
    impliedVolatility: moves[2],
    spotTick: symbol === 'SENSEX' ? 1 : 5,
    optionLots: lots[0],
    futureLots: lots[1],
    optionOpenLots: lots[2],
    futureOpenLots: lots[3],
    roundStrike,
    busyDays: symbol === 'NIFTY50' || symbol === 'SENSEX' ? WEEKLY_BUSY_DAYS : MONTHLY_BUSY_DAYS,
  }
}

function commodity(symbol: string, level: number, volatility: number, lots: number) {
  return {
    symbol,
    level,
    volatility,
    correlation: 0,
    carry: INTEREST,
    impliedVolatility: volatility,
    spotTick: 100,
    optionLots: 0,
    futureLots: lots,
    optionOpenLots: 0,
    futureOpenLots: lots / 4,
    roundStrike: 1,
    busyDays: MONTHLY_BUSY_DAYS,
  } satisfies UnderlyingModel
}

export const UNDERLYING_MODELS: readonly UnderlyingModel[] = [
  index('NIFTY50', 24_400, [0.12, 0.96, 0.132], [2_000_000, 180_000, 90_000, 160_000], 500),
  index('BANKNIFTY', 55_500, [0.14, 0.9, 0.15], [500_000, 110_000, 40_000, 60_000], 500),
  index('FINNIFTY', 26_200, [0.135, 0.92, 0.148], [24_000, 5_000, 6_000, 1_500], 500),
  index('MIDCPNIFTY', 13_100, [0.16, 0.85, 0.172], [60_000, 22_000, 12_000, 14_000], 250),
  index('SENSEX', 78_600, [0.118, 0.955, 0.13], [1_400_000, 9_000, 60_000, 4_000], 1_000),
  commodity('CRUDEOIL', 5_850, 0.34, 60_000),
  commodity('GOLD', 124_500, 0.17, 24_000),
]

export const INTEREST_RATE = INTEREST

/** The instrument that shows NIFTY's implied volatility. */
export const VOLATILITY_INDEX = 'INDIAVIX'
