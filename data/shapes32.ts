import { ArgumentError } from '../engine/errors.js';
import { Generator, uniformOf, type Seed } from '../engine/random.js';
import { Dataset } from './dataset.js';

/** What {@link shapes32} makes. */
export interface Shapes32Options {
  /** The halves have no example in common; 'train' unless told. */
  readonly split?: 'train' | 'test' | undefined;
  /** Number of examples; 50,000 of 'train' and 10,000 of 'test' unless told, as CIFAR-10 has. */
  readonly count?: number | undefined;
  /** Another seed, other examples; 0 unless told. */
  readonly seed?: Seed | undefined;
}

const SIDE = 32;
const PIXELS = SIDE * SIDE;

/** Whether a point lies in a shape of radius about 1 around the origin. */
type Shape = (x: number, y: number) => boolean;

const SHAPES: Readonly<Record<string, Shape>> = {
  circle: (x, y) => x * x + y * y <= 0.8,
  square: (x, y) => Math.abs(x) <= 0.78 && Math.abs(y) <= 0.78,
  triangle: (x, y) => y <= 0.55 && 1.7320508 * Math.abs(x) <= y + 1.1,
  cross: (x, y) => Math.min(Math.abs(x), Math.abs(y)) <= 0.33 && Math.max(Math.abs(x), Math.abs(y)) <= 1,
  ring: (x, y) => x * x + y * y <= 1 && x * x + y * y >= 0.4,
};

/** Hues of a family, in sixths of the circle from red through yellow: first, and how many on. */
const FAMILIES = { warm: [-0.5, 1.4], cool: [2.7, 1.6] } as const;

const COMBINATIONS = Object.entries(SHAPES).flatMap(([shape, contains]) =>
  Object.entries(FAMILIES).map(([family, hues]) => ({ name: `${family} ${shape}`, contains, hues })),
);

/** The classes of {@link shapes32}: five shapes, each in warm and in cool colours. */
export const SHAPES32_CLASSES: readonly string[] = COMBINATIONS.map(({ name }) => name);

/**
 * A generated dataset of CIFAR's size, for where there is nothing to download: byte images [n, 3, 32, 32] of one large shape each, at any
 * place, size and angle, before a textured background, small distractors of all colours, and noise. Of its 10 classes neither shape nor
 * colour alone tells which: each of five shapes comes in warm and in cool colours. Example i is of class i mod 10 and a function of
 * seed, split and i alone, with the same bytes on every machine.
 *
 * @throws ArgumentError for a count that is not an integer of 0 .. 2^31 - 1
 */
export function shapes32({ split = 'train', count, seed = 0 }: Shapes32Options = {}): Dataset {
  const size = count ?? (split === 'train' ? 50_000 : 10_000);
  if (!Number.isInteger(size) || size < 0 || size >= 2 ** 31) {
    throw new ArgumentError(`shapes32: ${size} examples; expected an integer of 0 .. 2^31 - 1`);
  }
  const images = new Uint8Array(size * 3 * PIXELS);
  const labels = Uint8Array.from({ length: size }, (_, index) => index % COMBINATIONS.length);
  const first = split === 'train' ? 0 : 2 ** 31;
  for (let index = 0; index < size; index++) {
    const generator = new Generator(seed, { purpose: 'data', index: first + index });
    paint(images.subarray(index * 3 * PIXELS, (index + 1) * 3 * PIXELS), labels[index] ?? 0, generator);
  }
  return new Dataset({
    name: `shapes32 (${split})`,
    images,
    labels,
    shape: [size, 3, SIDE, SIDE],
    classes: COMBINATIONS.length,
    classNames: SHAPES32_CLASSES,
  });
}

type Color = readonly [red: number, green: number, blue: number];

/** Something with an edge, in pixels: where it lies, how it is turned, and what it looks like. */
interface Figure {
  readonly x: number;
  readonly y: number;
  readonly radius: number;
  readonly turn: Turn;
  readonly contains: Shape;
  readonly color: Color;
}

/** Draws one uniform number of [0, 1), or of [low, high). */
type Draw = (low?: number, high?: number) => number;

/** Uniform numbers that a picture may take: more than it does. */
const DRAWS = 64;

function paint(image: Uint8Array, label: number, generator: Generator): void {
  const words = generator.words(DRAWS);
  let used = 0;
  const draw: Draw = (low = 0, high = 1) => low + (high - low) * uniformOf(words[used++] ?? 0);
  const canvas = new Float64Array(3 * PIXELS);
  paintBackground(canvas, draw);
  for (const figure of drawDistractors(draw)) paintFigure(canvas, figure);
  paintFigure(canvas, drawMain(label, draw));
  const noise = generator.words(canvas.length / 4);
  for (let at = 0; at < canvas.length; at++) {
    const bits = (noise[at >> 2] ?? 0) >>> (8 * (at & 3));
    // The sum of two dice of 16 sides, around 0.
    const offset = (bits & 15) + ((bits >>> 4) & 15) - 15;
    image[at] = Math.max(0, Math.min(255, Math.round(255 * (canvas[at] ?? 0)) + offset));
  }
}

/** Paints a figure over what is there; the edge by four samples to a pixel. */
function paintFigure(canvas: Float64Array, { x, y, radius, turn, contains, color }: Figure): void {
  // No shape reaches farther than 1.11 from its middle.
  const reach = 1.2 * radius;
  const inside = (atX: number, atY: number): number => {
    const [dx, dy] = [(atX - x) / radius, (atY - y) / radius];
    return contains(turn.cos * dx + turn.sin * dy, turn.cos * dy - turn.sin * dx) ? 0.25 : 0;
  };
  for (let row = Math.max(0, Math.floor(y - reach)); row < Math.min(SIDE, y + reach); row++) {
    for (let column = Math.max(0, Math.floor(x - reach)); column < Math.min(SIDE, x + reach); column++) {
      const [left, right, top, bottom] = [column + 0.25, column + 0.75, row + 0.25, row + 0.75];
      const part = inside(left, top) + inside(right, top) + inside(left, bottom) + inside(right, bottom);
      if (part > 0) blend(canvas, SIDE * row + column, color, part);
    }
  }
}

function blend(canvas: Float64Array, pixel: number, color: Color, part: number): void {
  for (let channel = 0; channel < 3; channel++) {
    const at = channel * PIXELS + pixel;
    canvas[at] = mix(canvas[at] ?? 0, color[channel] ?? 0, part);
  }
}

interface Turn {
  readonly cos: number;
  readonly sin: number;
}

/** An angle of all round, by the rational points of the circle: sines are not the same to the bit on every machine. */
function drawTurn(draw: Draw): Turn {
  const t = draw(-1, 1);
  const sign = draw() < 0.5 ? -1 : 1;
  return { cos: (sign * (1 - t * t)) / (1 + t * t), sin: (sign * 2 * t) / (1 + t * t) };
}

function drawMain(label: number, draw: Draw): Figure {
  const { contains, hues } = COMBINATIONS[label % COMBINATIONS.length] ?? never(label);
  const radius = draw(7, 11);
  const reach = 15 - radius;
  return {
    x: 16 + draw(-reach, reach),
    y: 16 + draw(-reach, reach),
    radius,
    turn: drawTurn(draw),
    contains,
    color: hsv(draw(hues[0], hues[0] + hues[1]), draw(0.65, 1), draw(0.7, 1)),
  };
}

function never(label: number): never {
  throw new ArgumentError(`shapes32: there is no class ${label}`);
}

const isBar: Shape = (x, y) => Math.abs(x) <= 1 && Math.abs(y) <= 0.35;
const isDisc: Shape = (x, y) => x * x + y * y <= 1;

/** Two to five small discs and bars of all colours. */
function drawDistractors(draw: Draw): Figure[] {
  const count = 2 + Math.floor(draw(0, 4));
  return Array.from({ length: count }, () => ({
    x: draw(0, SIDE),
    y: draw(0, SIDE),
    radius: draw(1.5, 4),
    turn: drawTurn(draw),
    contains: draw() < 0.5 ? isDisc : isBar,
    color: hsv(draw(0, 6), draw(0.5, 1), draw(0.5, 1)),
  }));
}

/** A colour that fades into another, with stripes or a chequer across. */
function paintBackground(canvas: Float64Array, draw: Draw): void {
  const from = hsv(draw(0, 6), draw(0, 0.5), draw(0.15, 0.9));
  const to = hsv(draw(0, 6), draw(0, 0.5), draw(0.15, 0.9));
  const turn = drawTurn(draw);
  const [period, depth] = [draw(3, 10), draw(0, 0.3)];
  const chequered = draw() < 0.5;
  for (let pixel = 0; pixel < PIXELS; pixel++) {
    const [x, y] = [(pixel % SIDE) - 15.5, Math.floor(pixel / SIDE) - 15.5];
    const along = turn.cos * x + turn.sin * y;
    const across = turn.cos * y - turn.sin * x;
    const part = Math.max(0, Math.min(1, 0.5 + along / 40));
    const shade = 1 + depth * wave(across / period) * (chequered ? wave(along / period) : 1);
    for (let channel = 0; channel < 3; channel++) {
      canvas[channel * PIXELS + pixel] = shade * mix(from[channel] ?? 0, to[channel] ?? 0, part);
    }
  }
}

function mix(a: number, b: number, part: number): number {
  return a + (b - a) * part;
}

/** From -1 up to 1 and down again as `x` goes on by 1: straight lines. */
function wave(x: number): number {
  return 4 * Math.abs(x - Math.floor(x) - 0.5) - 1;
}

/** A colour of hue (in sixths of the circle, from red through yellow), saturation and value (Smith, "Color gamut transform pairs", 1978). */
function hsv(hue: number, saturation: number, value: number): Color {
  const channel = (offset: number): number => {
    const k = (offset + hue + 6) % 6;
    return value * (1 - saturation * Math.max(0, Math.min(k, 4 - k, 1)));
  };
  return [channel(5), channel(3), channel(1)];
}
