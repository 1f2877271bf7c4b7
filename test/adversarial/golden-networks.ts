import type { Device } from '../../engine/index.js';
import { tensor, type Tensor } from '../../engine/index.js';
import { flatten } from '../../engine/ops/movement.js';
import { mean } from '../../engine/ops/reduce.js';
import { BatchNorm2d, Conv2d, Linear, MaxPool2d, Module, ReLU } from '../../nn/index.js';
import type { GoldenCase } from '../support/golden.js';

/** The network of the golden groups `train` and `mimae_step`: two convolutions with batch norm, global average. */
export class TrainNet extends Module {
  readonly conv1: Conv2d;
  readonly bn1: BatchNorm2d;
  readonly relu = new ReLU();
  readonly pool = new MaxPool2d(2);
  readonly conv2: Conv2d;
  readonly bn2: BatchNorm2d;
  readonly fc: Linear;

  constructor(golden: GoldenCase, device: Device) {
    super();
    const [cin, c1, c2] = [golden.number('cin'), golden.number('c1'), golden.number('c2')];
    this.conv1 = new Conv2d(cin, c1, 3, { device, padding: 1 });
    this.bn1 = new BatchNorm2d(c1, { device });
    this.conv2 = new Conv2d(c1, c2, 3, { device, stride: 2, padding: 1, bias: false });
    this.bn2 = new BatchNorm2d(c2, { device });
    this.fc = new Linear(c2, golden.number('classes'), { device });
    loadGoldenState(this, golden);
  }

  forward(x: Tensor): Tensor {
    const half = this.pool.forward(this.relu.forward(this.bn1.forward(this.conv1.forward(x))));
    return this.fc.forward(mean(this.relu.forward(this.bn2.forward(this.conv2.forward(half))), [2, 3]));
  }
}

/** The network of the golden group `attacks`: two convolutions, one batch norm, flatten. */
export class AttackNet extends Module {
  readonly conv1: Conv2d;
  readonly bn1: BatchNorm2d;
  readonly relu = new ReLU();
  readonly conv2: Conv2d;
  readonly fc: Linear;

  constructor(golden: GoldenCase, device: Device) {
    super();
    const [cin, c1, c2] = [golden.number('cin'), golden.number('c1'), golden.number('c2')];
    const [classes = 0, features = 0] = golden.input('param.fc.weight').shape;
    this.conv1 = new Conv2d(cin, c1, 3, { device, padding: 1 });
    this.bn1 = new BatchNorm2d(c1, { device });
    this.conv2 = new Conv2d(c1, c2, 3, { device, stride: 2, padding: 1 });
    this.fc = new Linear(features, classes, { device });
    loadGoldenState(this, golden);
  }

  forward(x: Tensor): Tensor {
    const half = this.relu.forward(this.bn1.forward(this.conv1.forward(x)));
    return this.fc.forward(flatten(this.relu.forward(this.conv2.forward(half)), 1));
  }
}

/** A golden input as a tensor, f32 or i32. */
export function goldenInput(golden: GoldenCase, name: string, device: Device): Tensor {
  const { shape, data } = golden.input(name);
  return tensor(data instanceof Float64Array ? Float32Array.from(data) : data.slice(), { device, shape });
}

function loadGoldenState(net: Module, golden: GoldenCase): void {
  const stored = [...golden.inputs.keys()].filter((name) => /^(param|stat)\./.test(name));
  const state = stored.map((name) => {
    const { shape } = golden.input(name);
    return [name.replace(/^(param|stat)\./, ''), { dtype: 'F32', shape, data: golden.floats(name) }] as const;
  });
  const { missing, unexpected } = net.loadStateDict(Object.fromEntries(state), { strict: false });
  const wrong = [...missing.filter((name) => !name.endsWith('num_batches_tracked')), ...unexpected];
  if (wrong.length > 0) throw new Error(`golden ${golden.id}: state does not fit: ${wrong.join(', ')}`);
}
