/**
 * What the self-test's kernels should give, each computed on the CPU in float64 from the definition of its operation.
 * Nothing here is fast, and nothing here uses the engine.
 */

/** Numbers by index; out of range reads give 0, which is what padding means. */
export type Values = ArrayLike<number>;

/** An element, 0 outside the array. */
export function valueAt(values: Values, index: number): number {
  return values[index] ?? 0;
}

function fill(count: number, value: (index: number) => number): Float64Array {
  return Float64Array.from({ length: count }, (_, index) => value(index));
}

function total(count: number, value: (index: number) => number): number {
  let sum = 0;
  for (let index = 0; index < count; index++) sum += value(index);
  return sum;
}

/** `[m, k]` times `[k, n]`. */
export function matmulReference(a: Values, b: Values, [m, k, n]: readonly [number, number, number]): Float64Array {
  return fill(m * n, (at) => {
    const [row, column] = [Math.floor(at / n), at % n];
    return total(k, (i) => valueAt(a, row * k + i) * valueAt(b, i * n + column));
  });
}

/** Sizes of a convolution of `[n, c, h, w]` with `[k, c / groups, r, r]`. */
export interface ConvSizes {
  readonly n: number;
  readonly c: number;
  readonly h: number;
  readonly w: number;
  readonly k: number;
  readonly r: number;
  readonly stride: number;
  readonly padding: number;
  readonly groups: number;
}

/** Height or width of a convolution's or pooling's output. */
export function outputLength(
  length: number,
  { r, stride, padding }: Pick<ConvSizes, 'r' | 'stride' | 'padding'>,
): number {
  return Math.floor((length + 2 * padding - r) / stride) + 1;
}

/** Calls `visit` with the index of the output, the input and the weight of every product that a convolution sums. */
function forEachProduct(sizes: ConvSizes, visit: (output: number, input: number, weight: number) => void): void {
  const { n, c, h, w, k, r, stride, padding, groups } = sizes;
  const [height, width] = [outputLength(h, sizes), outputLength(w, sizes)];
  const inner = c / groups;
  for (let output = 0; output < n * k * height * width; output++) {
    const x = output % width;
    const y = Math.floor(output / width) % height;
    const channel = Math.floor(output / (width * height)) % k;
    const image = Math.floor(output / (width * height * k));
    const group = Math.floor(channel / (k / groups));
    for (let tap = 0; tap < inner * r * r; tap++) {
      const row = y * stride - padding + (Math.floor(tap / r) % r);
      const column = x * stride - padding + (tap % r);
      if (row < 0 || row >= h || column < 0 || column >= w) continue;
      const plane = image * c + group * inner + Math.floor(tap / (r * r));
      visit(output, (plane * h + row) * w + column, channel * inner * r * r + tap);
    }
  }
}

/** A convolution, and its gradients for a gradient `dy` at the output. */
export function convReference(
  x: Values,
  weight: Values,
  dy: Values,
  sizes: ConvSizes,
): { y: Float64Array; dx: Float64Array; dw: Float64Array } {
  const { n, c, h, w, k, r, groups } = sizes;
  const y = new Float64Array(n * k * outputLength(h, sizes) * outputLength(w, sizes));
  const dx = new Float64Array(n * c * h * w);
  const dw = new Float64Array((k * c * r * r) / groups);
  forEachProduct(sizes, (output, input, tap) => {
    y[output] = valueAt(y, output) + valueAt(x, input) * valueAt(weight, tap);
    dx[input] = valueAt(dx, input) + valueAt(dy, output) * valueAt(weight, tap);
    dw[tap] = valueAt(dw, tap) + valueAt(dy, output) * valueAt(x, input);
  });
  return { y, dx, dw };
}

/** Max-pooling of `planes` planes of `h` by `w` with square windows side by side, and its gradient for `dy`. */
export function maxPoolReference(
  x: Values,
  dy: Values,
  { planes, h, w, size }: { readonly planes: number; readonly h: number; readonly w: number; readonly size: number },
): { y: Float64Array; dx: Float64Array } {
  const [height, width] = [Math.floor(h / size), Math.floor(w / size)];
  const y = new Float64Array(planes * height * width);
  const dx = new Float64Array(planes * h * w);
  for (let output = 0; output < y.length; output++) {
    const plane = Math.floor(output / (height * width));
    const top = (Math.floor(output / width) % height) * size;
    const left = (output % width) * size;
    let best = -1;
    for (let tap = 0; tap < size * size; tap++) {
      const at = (plane * h + top + Math.floor(tap / size)) * w + left + (tap % size);
      if (best < 0 || valueAt(x, at) > valueAt(x, best)) best = at;
    }
    y[output] = valueAt(x, best);
    dx[best] = valueAt(dx, best) + valueAt(dy, output);
  }
  return { y, dx };
}

/** Batch norm in training of `[n, c, area]` with eps 1e-5, scale and shift, and its gradient with respect to x for `dy`. */
export function batchNormReference(
  x: Values,
  weight: Values,
  bias: Values,
  dy: Values,
  { n, c, area }: { readonly n: number; readonly c: number; readonly area: number },
): { y: Float64Array; dx: Float64Array } {
  const y = new Float64Array(n * c * area);
  const dx = new Float64Array(n * c * area);
  const count = n * area;
  for (let channel = 0; channel < c; channel++) {
    const place = (i: number): number => (Math.floor(i / area) * c + channel) * area + (i % area);
    const mean = total(count, (i) => valueAt(x, place(i))) / count;
    const variance = total(count, (i) => (valueAt(x, place(i)) - mean) ** 2) / count;
    const scale = 1 / Math.sqrt(variance + 1e-5);
    const normal = (i: number): number => (valueAt(x, place(i)) - mean) * scale;
    const meanGrad = total(count, (i) => valueAt(dy, place(i))) / count;
    const meanProduct = total(count, (i) => valueAt(dy, place(i)) * normal(i)) / count;
    for (let i = 0; i < count; i++) {
      y[place(i)] = normal(i) * valueAt(weight, channel) + valueAt(bias, channel);
      dx[place(i)] = valueAt(weight, channel) * scale * (valueAt(dy, place(i)) - meanGrad - normal(i) * meanProduct);
    }
  }
  return { y, dx };
}

/** Means of windows of `size` by `size` without overlap of `[planes, h, w]`, and the gradient for `dy` at them. */
export function avgPoolReference(
  x: Values,
  dy: Values,
  { planes, h, w, size }: { readonly planes: number; readonly h: number; readonly w: number; readonly size: number },
): { y: Float64Array; dx: Float64Array } {
  const [rows, columns] = [Math.floor(h / size), Math.floor(w / size)];
  const y = new Float64Array(planes * rows * columns);
  const dx = new Float64Array(planes * h * w);
  for (let at = 0; at < dx.length; at++) {
    const [row, column] = [Math.floor((Math.floor(at / w) % h) / size), Math.floor((at % w) / size)];
    if (row >= rows || column >= columns) continue;
    const window = (Math.floor(at / (h * w)) * rows + row) * columns + column;
    y[window] = valueAt(y, window) + valueAt(x, at) / size ** 2;
    dx[at] = valueAt(dy, window) / size ** 2;
  }
  return { y, dx };
}

/** Softmax over the rows of `[m, c]`, and its logarithm. */
export function softmaxReference(z: Values, m: number, c: number): { p: Float64Array; log: Float64Array } {
  const log = new Float64Array(m * c);
  for (let row = 0; row < m; row++) {
    let most = -Infinity;
    for (let k = 0; k < c; k++) most = Math.max(most, valueAt(z, row * c + k));
    const sum = total(c, (k) => Math.exp(valueAt(z, row * c + k) - most));
    for (let k = 0; k < c; k++) log[row * c + k] = valueAt(z, row * c + k) - most - Math.log(sum);
  }
  return { p: log.map(Math.exp), log };
}

/** Mean cross-entropy of logits `[m, c]`, and its gradient. */
export function crossEntropyReference(
  z: Values,
  labels: Values,
  m: number,
  c: number,
): { loss: Float64Array; dz: Float64Array } {
  const { p, log } = softmaxReference(z, m, c);
  const loss = -total(m, (row) => valueAt(log, row * c + valueAt(labels, row))) / m;
  const dz = fill(m * c, (at) => (valueAt(p, at) - (valueAt(labels, Math.floor(at / c)) === at % c ? 1 : 0)) / m);
  return { loss: Float64Array.of(loss), dz };
}

/** Mean boosted cross-entropy -ln q_y - ln(1 - q_k), k the strongest class but y, of logits `[m, c]`, and its gradient. */
export function boostedCrossEntropyReference(
  z: Values,
  labels: Values,
  m: number,
  c: number,
): { loss: Float64Array; dz: Float64Array } {
  const { p } = softmaxReference(z, m, c);
  const rivals = Array.from({ length: m }, (_, row) => {
    const others = Array.from({ length: c }, (__, k) => k).filter((k) => k !== valueAt(labels, row));
    return others.reduce((best, k) => (valueAt(z, row * c + k) > valueAt(z, row * c + best) ? k : best));
  });
  const ofLabel = (row: number): number => valueAt(p, row * c + valueAt(labels, row));
  const ofRival = (row: number): number => valueAt(p, row * c + (rivals[row] ?? 0));
  const loss = -total(m, (row) => Math.log(ofLabel(row)) + Math.log(1 - ofRival(row))) / m;
  const dz = fill(m * c, (at) => {
    const [row, k] = [Math.floor(at / c), at % c];
    const odds = ofRival(row) / (1 - ofRival(row));
    const label = valueAt(p, at) - Number(k === valueAt(labels, row));
    return (label + odds * (Number(k === rivals[row]) - valueAt(p, at))) / m;
  });
  return { loss: Float64Array.of(loss), dz };
}

/**
 * The symmetrised mutual information of the class assignments of two batches of logits `[m, c]`, and its gradient with
 * respect to both (Atsague, Fakorede and Tian 2021, eq. 13 and 14).
 */
export function mutualInformationReference(
  natural: Values,
  adversarial: Values,
  m: number,
  c: number,
): { mi: Float64Array; dNatural: Float64Array; dAdversarial: Float64Array } {
  const p = softmaxReference(natural, m, c).p;
  const q = softmaxReference(adversarial, m, c).p;
  const joint = fill(c * c, (at) => {
    const [a, b] = [Math.floor(at / c), at % c];
    const sum = (k: number, l: number): number => total(m, (i) => valueAt(p, i * c + k) * valueAt(q, i * c + l));
    return (sum(a, b) + sum(b, a)) / (2 * m);
  });
  const marginal = fill(c, (a) => total(c, (b) => valueAt(joint, a * c + b)));
  const ratio = fill(c * c, (at) => {
    const [a, b] = [Math.floor(at / c), at % c];
    return Math.log(valueAt(joint, at) / (valueAt(marginal, a) * valueAt(marginal, b)));
  });
  const mi = total(c * c, (at) => valueAt(joint, at) * valueAt(ratio, at));
  // Constants vanish in the softmax's backward pass, so the marginals' own derivatives need not appear.
  const gradient = (own: Float64Array, other: Float64Array): Float64Array => {
    const upstream = fill(
      m * c,
      (at) => total(c, (b) => valueAt(other, Math.floor(at / c) * c + b) * valueAt(ratio, (at % c) * c + b)) / m,
    );
    return fill(m * c, (at) => {
      const row = Math.floor(at / c) * c;
      const inner = total(c, (k) => valueAt(own, row + k) * valueAt(upstream, row + k));
      return valueAt(own, at) * (valueAt(upstream, at) - inner);
    });
  };
  return { mi: Float64Array.of(mi), dNatural: gradient(p, q), dAdversarial: gradient(q, p) };
}
