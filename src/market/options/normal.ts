/**
 * The normal distribution, to about 1e-15 relative also far out in the tail.
 *
 * Everything rests on the scaled complementary error function erfcx(x) = e^{x²} erfc(x), in the
 * rational approximations of W. J. Cody ("Rational Chebyshev approximations for the error
 * function", Math. Comp. 23, 1969): a tail written as e^{-x²} · erfcx(x) keeps its digits where
 * 1 − N(x) has none left.
 */

const SQRT_HALF = Math.SQRT1_2
const SQRT_HALF_PI = 1.2533141373155003
const INVERSE_SQRT_PI = 0.5641895835477563
const INVERSE_SQRT_TWO_PI = 0.3989422804014327

/** Below this |x| Cody approximates erf itself. */
const CENTRE_END = 0.46875
/** From here on he approximates erfcx in 1/x². */
const TAIL_START = 4
/** 2 e^{x²} is beyond the largest double below this x. */
const OVERFLOW_START = -26.64

/** e^{x²} erfc(x); Infinity below x = -26.64. */
export function erfcx(x: number): number {
  const magnitude = Math.abs(x)
  if (magnitude <= CENTRE_END) return erfcxCentre(x)
  const tail = erfcxBeyondCentre(magnitude)
  if (x > 0) return tail
  return x < OVERFLOW_START ? Number.POSITIVE_INFINITY : 2 * expSquare(magnitude) - tail
}

/** Density of the standard normal distribution. */
export function normalPdf(x: number): number {
  return INVERSE_SQRT_TWO_PI * Math.exp(-0.5 * x * x)
}

/** N(x), the probability below x. */
export function normalCdf(x: number): number {
  const scaled = Math.abs(x) * SQRT_HALF
  if (scaled <= CENTRE_END) return 0.5 + 0.5 * erfCentre(x * SQRT_HALF)
  const tail = 0.5 * expMinusHalfSquare(Math.abs(x)) * erfcxBeyondCentre(scaled)
  return x < 0 ? tail : 1 - tail
}

/** Mills' ratio N(−u) / φ(u) for u ≥ 0: the tail without its exponential. */
export function millsRatio(u: number): number {
  const x = u * SQRT_HALF
  return SQRT_HALF_PI * (x <= CENTRE_END ? erfcxCentre(x) : erfcxBeyondCentre(x))
}

/** erfcx on |x| ≤ 0.46875. */
function erfcxCentre(x: number): number {
  return Math.exp(x * x) * (1 - erfCentre(x))
}

/** erfcx on x > 0.46875. */
function erfcxBeyondCentre(x: number): number {
  return x < TAIL_START ? erfcxMiddle(x) : erfcxTail(x)
}

/** erf on |x| ≤ 0.46875. */
function erfCentre(x: number): number {
  const y = x * x
  const above =
    ((0.18577770618460315 * y + 3.1611237438705655) * y + 113.86415415105016) * y + 377.485237685302
  const below =
    (((y + 23.601290952344122) * y + 244.02463793444417) * y + 1282.6165260773723) * y +
    2844.236833439171
  return (x * (above * y + 3209.3775891384694)) / below
}

/** erfcx on 0.46875 < x < 4. */
function erfcxMiddle(x: number): number {
  const above =
    (((((((2.1531153547440383e-8 * x + 0.5641884969886701) * x + 8.883149794388377) * x +
      66.11919063714163) *
      x +
      298.6351381974001) *
      x +
      881.952221241769) *
      x +
      1712.0476126340707) *
      x +
      2051.0783778260716) *
      x +
    1230.3393547979972
  const below =
    (((((((x + 15.744926110709835) * x + 117.6939508913125) * x + 537.1811018620099) * x +
      1621.3895745666903) *
      x +
      3290.7992357334597) *
      x +
      4362.619090143247) *
      x +
      3439.3676741437216) *
      x +
    1230.3393548037495
  return above / below
}

/** erfcx on x ≥ 4. */
function erfcxTail(x: number): number {
  const y = 1 / (x * x)
  const above =
    ((((0.016315387137302097 * y + 0.30532663496123236) * y + 0.36034489994980445) * y +
      0.12578172611122926) *
      y +
      0.016083785148742275) *
      y +
    0.0006587491615298378
  const below =
    ((((y + 2.568520192289822) * y + 1.8729528499234673) * y + 0.5279051029514285) * y +
      0.06051834131244132) *
      y +
    0.0023352049762686918
  return (INVERSE_SQRT_PI - (y * above) / below) / x
}

/** e^{x²} with the square split in two, so that its rounding is not magnified. */
function expSquare(x: number): number {
  const head = Math.trunc(x * 16) / 16
  return Math.exp(head * head) * Math.exp((x - head) * (x + head))
}

/** e^{−x²/2}, split alike. */
function expMinusHalfSquare(x: number): number {
  const head = Math.trunc(x * 16) / 16
  return Math.exp(-0.5 * head * head) * Math.exp(-0.5 * (x - head) * (x + head))
}
