import type { Device } from '../../engine/device.js';
import { ArgumentError } from '../../engine/errors.js';
import { add, relu } from '../../engine/ops/elementwise.js';
import { mean } from '../../engine/ops/reduce.js';
import type { Generator } from '../../engine/random.js';
import type { Tensor } from '../../engine/tensor.js';
import { BatchNorm2d } from '../layers/batch-norm.js';
import { convBatchNorm } from '../layers/conv-batch-norm.js';
import { Conv2d } from '../layers/conv.js';
import { Linear } from '../layers/linear.js';
import { Sequential } from '../layers/sequential.js';
import { checkIntegers } from '../layers/sizes.js';
import { Module } from '../module.js';

/** Where a network's tensors live and its initial values come from. */
interface Source {
  readonly device: Device;
  readonly generator?: Generator | undefined;
}

/** Two 3 x 3 convolutions and a way past them: `relu(bn2(conv2(relu(bn1(conv1(x))))) + shortcut(x))`. */
class BasicBlock extends Module {
  readonly #conv1: Conv2d;
  readonly #bn1: BatchNorm2d;
  readonly #conv2: Conv2d;
  readonly #bn2: BatchNorm2d;
  /** Of the shortcut; the identity where there is none. */
  readonly #projection: readonly [Conv2d, BatchNorm2d] | undefined;

  constructor(inPlanes: number, planes: number, stride: number, from: Source) {
    super();
    const conv = { ...from, padding: 1, bias: false };
    this.#conv1 = this.registerModule('conv1', new Conv2d(inPlanes, planes, 3, { ...conv, stride }));
    this.#bn1 = this.registerModule('bn1', new BatchNorm2d(planes, from));
    this.#conv2 = this.registerModule('conv2', new Conv2d(planes, planes, 3, conv));
    this.#bn2 = this.registerModule('bn2', new BatchNorm2d(planes, from));
    if (stride !== 1 || inPlanes !== planes) {
      this.#projection = [
        new Conv2d(inPlanes, planes, 1, { ...from, stride, bias: false }),
        new BatchNorm2d(planes, from),
      ];
    }
    this.registerModule('shortcut', new Sequential(...(this.#projection ?? [])));
  }

  forward(x: Tensor): Tensor {
    const inner = relu(convBatchNorm(this.#conv1, this.#bn1, x));
    const shortcut = this.#projection ? convBatchNorm(...this.#projection, x) : x;
    return relu(add(convBatchNorm(this.#conv2, this.#bn2, inner), shortcut));
  }
}

/** Options of {@link resnet18}. */
export interface ResNetOptions extends Source {
  /** Number of logits; 10 unless told. */
  readonly classes?: number;
  /** 3 unless told. */
  readonly inChannels?: number;
  /** Multiplies the 64, 128, 256 and 512 channels; 1 unless told. */
  readonly width?: number;
}

/**
 * A residual network in its form for CIFAR: He, Zhang, Ren and Sun, "Deep residual learning for image recognition", CVPR 2016, with a
 * 3 x 3 stem and no max-pooling, as TRADES and MART have it, whose keys it shares. Images `[n, inChannels, h, w]` to logits
 * `[n, classes]`; the map before the last layer is averaged whole.
 */
export class ResNet extends Module {
  readonly #conv1: Conv2d;
  readonly #bn1: BatchNorm2d;
  readonly #stages: readonly Sequential[];
  readonly #linear: Linear;

  /** @throws ArgumentError for a width that is not a finite number above 0, or classes or channels that are no positive integers */
  constructor(blocks: readonly number[], { classes = 10, inChannels = 3, width = 1, ...from }: ResNetOptions) {
    super();
    checkIntegers('resnet', { classes, inChannels });
    if (!(width > 0 && width < Infinity)) {
      throw new ArgumentError(`resnet: width is ${width}; expected a number above 0`);
    }
    const planesOf = (stage: number): number => Math.max(1, Math.round(64 * 2 ** stage * width));
    let planes = planesOf(0);
    this.#conv1 = this.registerModule('conv1', new Conv2d(inChannels, planes, 3, { ...from, padding: 1, bias: false }));
    this.#bn1 = this.registerModule('bn1', new BatchNorm2d(planes, from));
    this.#stages = blocks.map((count, stage) => {
      const layers = Array.from({ length: count }, (_, index) => {
        const block = new BasicBlock(planes, planesOf(stage), index === 0 && stage > 0 ? 2 : 1, from);
        planes = planesOf(stage);
        return block;
      });
      return this.registerModule(`layer${stage + 1}`, new Sequential(...layers));
    });
    this.#linear = this.registerModule('linear', new Linear(planes, classes, from));
  }

  /** Images `[n, inChannels, h, w]` to logits `[n, classes]`. */
  forward(x: Tensor): Tensor {
    let features = relu(convBatchNorm(this.#conv1, this.#bn1, x));
    for (const stage of this.#stages) features = stage.forward(features);
    return this.#linear.forward(mean(features, [2, 3]));
  }
}

/** ResNet-18 for CIFAR: 11,173,962 parameters with 10 classes. */
export function resnet18(options: ResNetOptions): ResNet {
  return new ResNet([2, 2, 2, 2], options);
}
