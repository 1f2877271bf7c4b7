/** Pictures drawn by hand, and how they become pictures as MNIST has them. */

/** Side of the pad, in cells: four to each pixel of MNIST. */
export const PAD = 112;

/** Radius of the pen, in cells: strokes of MNIST are two to three pixels wide. */
const PEN = 5;

/** A place on the pad, in cells. */
export interface Place {
  readonly x: number;
  readonly y: number;
}

/** A line from one place to another, drawn onto the pad: PAD x PAD values from 0 (black) to 1 (white). */
export function drawLine(pad: Float32Array, from: Place, to: Place): void {
  const [low, high] = [Math.min(from.y, to.y) - PEN - 1, Math.max(from.y, to.y) + PEN + 1].map(Math.round);
  const [left, right] = [Math.min(from.x, to.x) - PEN - 1, Math.max(from.x, to.x) + PEN + 1].map(Math.round);
  for (let y = Math.max(0, low ?? 0); y <= Math.min(PAD - 1, high ?? 0); y++) {
    for (let x = Math.max(0, left ?? 0); x <= Math.min(PAD - 1, right ?? 0); x++) {
      const inside = PEN + 0.5 - distanceToLine({ x, y }, from, to);
      const at = y * PAD + x;
      pad[at] = Math.max(pad[at] ?? 0, Math.min(1, Math.max(0, inside)));
    }
  }
}

function distanceToLine({ x, y }: Place, from: Place, to: Place): number {
  const [dx, dy] = [to.x - from.x, to.y - from.y];
  const square = dx * dx + dy * dy;
  const along = square === 0 ? 0 : Math.min(1, Math.max(0, ((x - from.x) * dx + (y - from.y) * dy) / square));
  return Math.hypot(x - from.x - along * dx, y - from.y - along * dy);
}

/** A picture of one channel, row-major, from 0 to 1. */
export interface GrayPicture {
  readonly pixels: Float32Array;
  readonly height: number;
  readonly width: number;
}

const SIDE = 28;

/** The box that MNIST's digits are scaled into, keeping their proportions. */
const BOX = 20;

/** Below this a pixel is background. */
const DARK = 0.1;

/**
 * A bright digit on black as MNIST has it (LeCun, Cortes and Burges, "The MNIST database"): cut out, scaled into 20 x 20 pixels by averaging,
 * and put so that its centre of mass is in the middle of 28 x 28. All black where there is no digit.
 */
export function asMnist({ pixels, height, width }: GrayPicture): Float32Array {
  const result = new Float32Array(SIDE * SIDE);
  let [top, bottom, left, right] = [height, -1, width, -1];
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      if ((pixels[y * width + x] ?? 0) <= DARK) continue;
      [top, bottom] = [Math.min(top, y), Math.max(bottom, y)];
      [left, right] = [Math.min(left, x), Math.max(right, x)];
    }
  }
  if (bottom < 0) return result;
  const size = Math.max(bottom - top, right - left) + 1;
  const [rows, columns] = [bottom - top + 1, right - left + 1].map((length) =>
    Math.max(1, Math.round((BOX * length) / size)),
  ) as [number, number];
  const small = averaged({ pixels, height, width }, { top, left, bottom, right }, rows, columns);
  let [mass, massY, massX] = [0, 0, 0];
  small.forEach((value, i) => {
    mass += value;
    massY += value * (Math.floor(i / columns) + 0.5);
    massX += value * ((i % columns) + 0.5);
  });
  const toMiddle = (centre: number, length: number): number =>
    Math.min(SIDE - length, Math.max(0, Math.round(SIDE / 2 - centre)));
  const [y0, x0] = [toMiddle(massY / mass, rows), toMiddle(massX / mass, columns)];
  small.forEach((value, i) => {
    result[(y0 + Math.floor(i / columns)) * SIDE + x0 + (i % columns)] = value;
  });
  return result;
}

interface Cut {
  readonly top: number;
  readonly bottom: number;
  readonly left: number;
  readonly right: number;
}

/** A cut of a picture as rows x columns, each the average of what it covers, weighted by how much of each pixel that is. */
function averaged({ pixels, width }: GrayPicture, cut: Cut, rows: number, columns: number): Float32Array {
  const across = shares(cut.left, cut.right + 1, columns);
  const result = new Float32Array(rows * columns);
  shares(cut.top, cut.bottom + 1, rows).forEach((down, row) => {
    across.forEach((over, column) => {
      let [sum, weight] = [0, 0];
      for (const [y, high] of down) {
        for (const [x, wide] of over) {
          sum += high * wide * (pixels[y * width + x] ?? 0);
          weight += high * wide;
        }
      }
      result[row * columns + column] = sum / weight;
    });
  });
  return result;
}

/** Which of the pixels from `start` to `end` each of `count` equal parts covers, and how much of each. */
function shares(start: number, end: number, count: number): (readonly [pixel: number, share: number])[][] {
  const length = (end - start) / count;
  return Array.from({ length: count }, (_, part) => {
    const [from, to] = [start + part * length, start + (part + 1) * length];
    const covered: (readonly [number, number])[] = [];
    for (let pixel = Math.floor(from); pixel < to && pixel < end; pixel++) {
      const share = Math.min(to, pixel + 1) - Math.max(from, pixel);
      if (share > 1e-9) covered.push([pixel, share]);
    }
    return covered;
  });
}

/**
 * A picture of any kind, four bytes to a pixel (RGBA), as MNIST has it. Transparent is white, as paper. Where most of it is bright, dark is
 * taken to be the ink; a frame is cut off. One of 28 x 28 pixels is taken as it is, but for that.
 */
export function pictureAsMnist(rgba: Uint8ClampedArray, height: number, width: number): Float32Array {
  const gray = toGray(rgba);
  const background = median(gray);
  const pixels = background > 0.5 ? gray.map((value) => 1 - value) : gray;
  if (height === SIDE && width === SIDE) return pixels;
  const low = background > 0.5 ? 1 - background : background;
  const inked = withoutFrame({ pixels: pixels.map((value) => Math.max(0, value - low)), height, width });
  const most = inked.pixels.reduce((a, b) => Math.max(a, b), FAINTEST);
  // Paper is not evenly bright: what differs little from most of it is background.
  const stretched = inked.pixels.map((value) => (value < PAPER * most ? 0 : value / most));
  return asMnist({ pixels: stretched, height, width });
}

/** The faintest ink that is not made brighter than it is, and the share of the brightest up to which all is paper. */
const [FAINTEST, PAPER] = [0.05, 0.25];

/** Lines at an edge with more ink than this share are a frame. */
const FRAME = 0.8;

/** A picture whose outermost lines are blackened as long as they are nearly all ink. */
function withoutFrame(picture: GrayPicture): GrayPicture {
  const { height, width } = picture;
  const pixels = picture.pixels.slice();
  const edges: readonly (readonly [count: number, length: number, at: (line: number, along: number) => number])[] = [
    [height, width, (line, along) => line * width + along],
    [height, width, (line, along) => (height - 1 - line) * width + along],
    [width, height, (line, along) => along * width + line],
    [width, height, (line, along) => along * width + width - 1 - line],
  ];
  for (const [count, length, at] of edges) {
    for (let line = 0; line < count; line++) {
      const places = Array.from({ length }, (_, along) => at(line, along));
      // Of the picture as it was: lines across each other share corners.
      const inked = places.filter((place) => (picture.pixels[place] ?? 0) > DARK).length;
      if (inked <= FRAME * length) break;
      for (const place of places) pixels[place] = 0;
    }
  }
  return { pixels, height, width };
}

/** Luminance on white paper, 0 to 1. */
function toGray(rgba: Uint8ClampedArray): Float32Array {
  return Float32Array.from({ length: rgba.length / 4 }, (_, i) => {
    const [red = 0, green = 0, blue = 0, alpha = 0] = rgba.subarray(4 * i, 4 * i + 4);
    return ((0.299 * red + 0.587 * green + 0.114 * blue) * alpha + 255 * (255 - alpha)) / (255 * 255);
  });
}

function median(values: Float32Array): number {
  return values.toSorted()[Math.floor(values.length / 2)] ?? 0;
}
