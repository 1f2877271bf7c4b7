import { ArgumentError } from '../../engine/errors.js';

/**
 * What a width makes of published numbers of channels: the nearest whole number of `width` times them, at least 1.
 *
 * @throws ArgumentError for a width that is not a finite number above 0
 */
export function channelsAt(model: string, width: number): (published: number) => number {
  if (!(width > 0 && width < Infinity)) {
    throw new ArgumentError(`${model}: width is ${width}; expected a number above 0`);
  }
  return (published) => Math.max(1, Math.round(published * width));
}
