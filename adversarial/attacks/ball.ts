import { ArgumentError } from '../../engine/errors.js';

/** How far apart two images are: the largest difference of an element, the Euclidean length, or the sum of all differences. */
export type Norm = 'linf' | 'l2' | 'l1';

/** A ball around each image, and how far a step goes, both in the norm's units of the data. */
export interface BallStep extends Required<ClipOptions> {
  readonly eps: number;
  readonly stepSize: number;
}

/** The range of the data, which adversarial images keep to. */
export interface ClipOptions {
  /** 0 unless told. */
  readonly clipMin?: number;
  /** 1 unless told. */
  readonly clipMax?: number;
}

/** Throws an `ArgumentError` unless eps and the range of the data make sense together; an L2 or L1 ball may be wider than the range. */
export function checkBall(
  attack: string,
  eps: number,
  { clipMin = 0, clipMax = 1, norm = 'linf' }: ClipOptions & { readonly norm?: Norm },
): Required<ClipOptions> {
  if (!(Number.isFinite(clipMin) && Number.isFinite(clipMax) && clipMin < clipMax)) {
    throw new ArgumentError(
      `${attack}: clipMin ${clipMin} and clipMax ${clipMax} span no range; give clipMin < clipMax`,
    );
  }
  if (!(eps >= 0)) throw new ArgumentError(`${attack}: eps is ${eps}; expected 0 or more, such as 8 / 255`);
  if (!Number.isFinite(eps)) throw new ArgumentError(`${attack}: eps is ${eps}; expected a finite number`);
  if (norm === 'linf') checkLength(attack, 'eps', eps, clipMax - clipMin);
  return { clipMin, clipMax };
}

/** A step of a part of the ball's radius. In a ball without extent every step ends where it began, but has to have a length. */
export function partOf(eps: number, part: number): number {
  return eps > 0 ? part * eps : 1;
}

/** Throws where `value` is longer than the range of the data: 8 is a slip where 8 / 255 is meant. */
export function checkLength(attack: string, name: string, value: number, range: number): void {
  if (value <= range) return;
  const instead = value <= 255 ? `; ${value} / 255 is ${(value / 255).toPrecision(4)}` : '';
  throw new ArgumentError(
    `${attack}: ${name} is ${value}, more than the range of the data, ${range}; it is in units of the data${instead}`,
  );
}
