/** Height and width of MNIST's images, and of the box that their digits fill. */
const [SIDE, BOX] = [28, 20];

/**
 * A drawing as MNIST's images are made (LeCun et al. 1998): its ink fitted into 20 x 20 pixels with its proportions kept, and placed so
 * that its centre of mass is the centre of 28 x 28. Undefined where there is no ink.
 *
 * @param drawing ink from 0 to 1, row-major
 */
export function centerDrawing(drawing: Float32Array, width: number): Float32Array | undefined {
  const height = drawing.length / width;
  const ink = (x: number, y: number): number => drawing[y * width + x] ?? 0;
  let [left, right, top, bottom] = [width, -1, height, -1];
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      if (ink(x, y) < 0.1) continue;
      [left, right] = [Math.min(left, x), Math.max(right, x)];
      [top, bottom] = [Math.min(top, y), Math.max(bottom, y)];
    }
  }
  if (right < left) return undefined;
  const scale = BOX / Math.max(right - left + 1, bottom - top + 1);
  const [columns, rows] = [right - left + 1, bottom - top + 1].map((length) => Math.max(1, Math.round(length * scale)));
  const small = areaMeans(
    ink,
    { left, top, width: right - left + 1, height: bottom - top + 1 },
    columns ?? 1,
    rows ?? 1,
  );
  return atCentreOfMass(small, columns ?? 1);
}

interface Box {
  readonly left: number;
  readonly top: number;
  readonly width: number;
  readonly height: number;
}

/** The means of the parts that a box is divided into. */
function areaMeans(ink: (x: number, y: number) => number, box: Box, columns: number, rows: number): Float32Array {
  // Points in each part, by a grid that is finer than the drawing.
  const fine = 4 * Math.ceil(Math.max(box.width / columns, box.height / rows));
  return Float32Array.from({ length: columns * rows }, (_, index) => {
    const [column, row] = [index % columns, Math.floor(index / columns)];
    let sum = 0;
    for (let v = 0; v < fine; v++) {
      for (let u = 0; u < fine; u++) {
        const x = box.left + Math.floor(((column + (u + 0.5) / fine) * box.width) / columns);
        const y = box.top + Math.floor(((row + (v + 0.5) / fine) * box.height) / rows);
        sum += ink(x, y);
      }
    }
    return sum / fine ** 2;
  });
}

function atCentreOfMass(small: Float32Array, columns: number): Float32Array {
  let [mass, atX, atY] = [0, 0, 0];
  small.forEach((value, index) => {
    mass += value;
    atX += value * ((index % columns) + 0.5);
    atY += value * (Math.floor(index / columns) + 0.5);
  });
  const [moveX, moveY] = [Math.round(SIDE / 2 - atX / mass), Math.round(SIDE / 2 - atY / mass)];
  const image = new Float32Array(SIDE * SIDE);
  small.forEach((value, index) => {
    const [x, y] = [(index % columns) + moveX, Math.floor(index / columns) + moveY];
    if (x >= 0 && x < SIDE && y >= 0 && y < SIDE) image[y * SIDE + x] = value;
  });
  return image;
}
