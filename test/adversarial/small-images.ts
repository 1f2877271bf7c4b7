import { Dataset } from '../../data/dataset.js';
import { Generator, type Device, type Tensor } from '../../engine/index.js';
import { flatten } from '../../engine/ops/movement.js';
import { BatchNorm2d, Conv2d, Dropout, Linear, MaxPool2d, Module, ReLU, init } from '../../nn/index.js';
import { uniformFloats } from '../support/values.js';

const SIDE = 6;

/** `n` images [1, 6, 6] of three classes: noise, with a bright pair of rows where the class says. */
export function smallImages(n: number, seed = 1): Dataset {
  const images = uniformFloats(n * SIDE * SIDE, seed, 0, 0.4);
  const labels = Int32Array.from({ length: n }, (_, i) => i % 3);
  for (const [i, label] of labels.entries()) {
    const start = i * SIDE * SIDE + label * 2 * SIDE;
    for (let k = start; k < start + 2 * SIDE; k++) images[k] = (images[k] ?? 0) + 0.5;
  }
  return new Dataset({ name: 'stripes', images, labels, shape: [n, 1, SIDE, SIDE], classes: 3 });
}

/** A network for {@link smallImages} with everything whose mode matters. */
export class SmallNet extends Module {
  readonly conv: Conv2d;
  readonly bn: BatchNorm2d;
  readonly relu = new ReLU();
  readonly pool = new MaxPool2d(2);
  readonly drop: Dropout;
  readonly fc: Linear;

  constructor(device: Device, { seed = 0, zeroLast = false, classes = 3 } = {}) {
    super();
    const generator = new Generator(seed, { purpose: 'init' });
    this.conv = new Conv2d(1, 4, 3, { device, padding: 1, generator });
    this.bn = new BatchNorm2d(4, { device });
    this.drop = new Dropout(0.2, { generator: new Generator(seed, { purpose: 'dropout' }) });
    this.fc = new Linear(36, classes, { device, generator });
    if (zeroLast) for (const tensor of this.fc.parameters()) init.zeros(tensor);
  }

  forward(x: Tensor): Tensor {
    const half = this.pool.forward(this.relu.forward(this.bn.forward(this.conv.forward(x))));
    return this.fc.forward(this.drop.forward(flatten(half, 1)));
  }
}
