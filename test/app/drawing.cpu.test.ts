import { describe, expect, it } from 'vitest';
import { PAD, asMnist, drawLine, pictureAsMnist } from '../../app/rooms/attack/drawing.js';

const SIDE = 28;

/** Rows and columns that have ink, and the centre of its mass. */
function lookAt(pixels: Float32Array): { rows: number[]; columns: number[]; centre: number[] } {
  const at = (axis: (i: number) => number): number[] => {
    const places = Array.from(pixels.keys()).filter((i) => (pixels[i] ?? 0) > 0.01);
    return [...new Set(places.map(axis))].sort((a, b) => a - b);
  };
  const mass = pixels.reduce((sum, value) => sum + value, 0);
  const centreOf = (axis: (i: number) => number): number =>
    pixels.reduce((sum, value, i) => sum + value * (axis(i) + 0.5), 0) / mass;
  const [row, column] = [(i: number) => Math.floor(i / SIDE), (i: number) => i % SIDE];
  return { rows: at(row), columns: at(column), centre: [centreOf(row), centreOf(column)] };
}

describe('a drawing as MNIST has it', () => {
  it('is black where nothing was drawn', () => {
    expect(asMnist({ pixels: new Float32Array(12), height: 3, width: 4 })).toEqual(new Float32Array(SIDE * SIDE));
  });

  it.each([
    ['in a corner', { x: 8, y: 6 }, { x: 20, y: 46 }],
    ['lying', { x: 100, y: 100 }, { x: 20, y: 96 }],
    ['a dot at the edge', { x: 0, y: 111 }, { x: 0, y: 111 }],
  ])('fills 20 pixels and has its mass in the middle: %s', (_, from, to) => {
    const pixels = new Float32Array(PAD * PAD);
    drawLine(pixels, from, to);
    const { rows, columns, centre } = lookAt(asMnist({ pixels, height: PAD, width: PAD }));
    expect(Math.max(rows.length, columns.length)).toBe(20);
    for (const middle of centre) expect(Math.abs(middle - SIDE / 2)).toBeLessThanOrEqual(0.5);
  });

  it('keeps values and proportions, by hand', () => {
    // 40 x 10 of 0.6 become 20 x 5, in the middle.
    const pixels = new Float32Array(60 * 50);
    for (let y = 7; y < 47; y++) for (let x = 3; x < 13; x++) pixels[y * 50 + x] = 0.6;
    const result = asMnist({ pixels, height: 60, width: 50 });
    const { rows, columns } = lookAt(result);
    expect(rows).toEqual(Array.from({ length: 20 }, (_, i) => 4 + i));
    expect(columns).toHaveLength(5);
    for (const value of result) expect(Math.min(value, Math.abs(value - 0.6))).toBeLessThan(1e-6);
  });

  it('averages by area where pixels are cut', () => {
    // 30 pixels into 20: each covers one and a half.
    const pixels = Float32Array.from({ length: 30 }, (_, i) => (i % 3 === 0 ? 1 : 0.4));
    const result = asMnist({ pixels, height: 30, width: 1 });
    const values = [...result].filter((value) => value > 0);
    expect(values).toHaveLength(20);
    values.forEach((value, i) => expect(value).toBeCloseTo(i % 2 === 0 ? (1 + 0.5 * 0.4) / 1.5 : 0.4, 5));
  });

  it('draws the same line in either direction, and nothing beyond the pen', () => {
    const [one, other] = [new Float32Array(PAD * PAD), new Float32Array(PAD * PAD)];
    drawLine(one, { x: 30, y: 40 }, { x: 70, y: 40 });
    drawLine(other, { x: 70, y: 40 }, { x: 30, y: 40 });
    expect(other).toEqual(one);
    one.forEach((value, i) => {
      const [x, y] = [i % PAD, Math.floor(i / PAD)];
      const away = Math.hypot(Math.max(30 - x, 0, x - 70), y - 40);
      if (away > 6) expect(value).toBe(0);
      if (away < 4) expect(value).toBe(1);
    });
  });
});

describe('a picture as MNIST has it', () => {
  /** A stroke on a ground, both RGBA. */
  const picture = (ground: readonly number[], ink: readonly number[], frame = ground): Uint8ClampedArray => {
    const [height, width] = [120, 90];
    return Uint8ClampedArray.from(
      Array.from({ length: height * width }, (_, i) => {
        const [y, x] = [Math.floor(i / width), i % width];
        if (Math.min(x, y, width - 1 - x, height - 1 - y) < 2) return frame;
        return Math.abs(x - 30) < 6 && Math.abs(y - 60) < 40 ? ink : ground;
      }).flat(),
    );
  };
  const light = pictureAsMnist(picture([0, 0, 0, 255], [255, 255, 255, 255]), 120, 90);

  it.each([
    ['dark on light', picture([255, 255, 255, 255], [0, 0, 0, 255])],
    ['ink on paper', picture([240, 235, 220, 255], [20, 20, 90, 255])],
    ['black on nothing', picture([0, 0, 0, 0], [0, 0, 0, 255])],
    ['in a frame', picture([240, 235, 220, 255], [20, 20, 90, 255], [0, 0, 0, 255])],
  ])('is the same whichever way it is drawn: %s', (_, rgba) => {
    const result = pictureAsMnist(rgba, 120, 90);
    result.forEach((value, i) => expect(value).toBeCloseTo(light[i] ?? NaN, 1));
    expect(lookAt(result).rows).toHaveLength(20);
  });

  it('is taken as it is where it has the size already', () => {
    const values = Uint8ClampedArray.from({ length: SIDE * SIDE }, (_, i) => (i % 5 === 0 ? 200 : i % 60));
    const rgba = Uint8ClampedArray.from([...values].flatMap((value) => [value, value, value, 255]));
    const result = pictureAsMnist(rgba, SIDE, SIDE);
    result.forEach((value, i) => expect(value).toBeCloseTo((values[i] ?? 0) / 255, 6));
  });
});
