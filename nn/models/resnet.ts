import { add } from '../../engine/ops/elementwise.js';
import { mean } from '../../engine/ops/reduce.js';
import type { Tensor } from '../../engine/tensor.js';
import { BatchNorm2d } from '../layers/batch-norm.js';
import { convBatchNorm } from '../layers/conv-batch-norm.js';
import type { Conv2d } from '../layers/conv.js';
import { Linear } from '../layers/linear.js';
import { Sequential } from '../layers/sequential.js';
import { checkIntegers } from '../layers/sizes.js';
import { Module } from '../module.js';
import { activationNamed } from './activation.js';
import { channelsAt } from './channels.js';
import { convolution, stage, type ResidualOptions, type Source } from './residual.js';

interface Layer {
  readonly planes: number;
  readonly kernel: 1 | 3;
  readonly stride: 1 | 2;
}

/** The convolutions of a block, by its planes and its stride. */
const BLOCKS = {
  basic: (planes: number, stride: 1 | 2): readonly Layer[] => [
    { planes, kernel: 3, stride },
    { planes, kernel: 3, stride: 1 },
  ],
  bottleneck: (planes: number, stride: 1 | 2): readonly Layer[] => [
    { planes, kernel: 1, stride: 1 },
    { planes, kernel: 3, stride },
    { planes: 4 * planes, kernel: 1, stride: 1 },
  ],
};

/** What the blocks of a {@link ResNet} are: two 3 x 3 convolutions, or 1 x 1, 3 x 3 and 1 x 1 with four times the channels. */
export type ResNetBlock = keyof typeof BLOCKS;

type Pair = readonly [Conv2d, BatchNorm2d];

/** Convolutions, each with its normalisation, and a way past them: `f(bn2(conv2(f(bn1(conv1(x))))) + shortcut(x))`. */
class ResidualBlock extends Module {
  readonly #pairs: readonly Pair[];
  /** Of the shortcut; the identity where there is none. */
  readonly #projection: Pair | undefined;
  readonly #activation: (x: Tensor) => Tensor;

  constructor(inPlanes: number, layers: readonly Layer[], activation: (x: Tensor) => Tensor, from: Source) {
    super();
    this.#activation = activation;
    let planes = inPlanes;
    this.#pairs = layers.map((layer, index) => {
      const conv = convolution(planes, layer.planes, layer.kernel, layer.stride, from);
      planes = layer.planes;
      return [
        this.registerModule(`conv${index + 1}`, conv),
        this.registerModule(`bn${index + 1}`, new BatchNorm2d(planes, from)),
      ] as const;
    });
    const stride = layers.some((layer) => layer.stride === 2) ? 2 : 1;
    if (stride !== 1 || inPlanes !== planes) {
      this.#projection = [convolution(inPlanes, planes, 1, stride, from), new BatchNorm2d(planes, from)];
    }
    this.registerModule('shortcut', new Sequential(...(this.#projection ?? [])));
  }

  forward(x: Tensor): Tensor {
    const shortcut = this.#projection ? convBatchNorm(...this.#projection, x) : x;
    const last = this.#pairs.length - 1;
    const y = this.#pairs.reduce((inner, pair, index) => {
      const normalised = convBatchNorm(...pair, inner);
      return index < last ? this.#activation(normalised) : normalised;
    }, x);
    return this.#activation(add(y, shortcut));
  }
}

/** Options of {@link resnet18} and {@link resnet50}. */
export type ResNetOptions = ResidualOptions;

/**
 * A residual network in its form for CIFAR: He, Zhang, Ren and Sun, "Deep residual learning for image recognition", CVPR 2016, with a
 * 3 x 3 stem and no max-pooling, as TRADES and MART have it, whose keys and initialisation (PyTorch's) it shares. Images
 * `[n, inChannels, h, w]` to logits `[n, classes]`; the map before the last layer is averaged whole. The stages have 64, 128, 256 and 512
 * channels at width 1, times 4 with bottlenecks.
 */
export class ResNet extends Module {
  readonly #conv1: Conv2d;
  readonly #bn1: BatchNorm2d;
  readonly #stages: readonly Sequential[];
  readonly #linear: Linear;
  readonly #activation: (x: Tensor) => Tensor;

  /**
   * @param blocks how many there are in each stage
   * @throws ArgumentError for a width that is not a finite number above 0, classes, channels or blocks that are no positive integers, or
   * an unknown activation
   */
  constructor(blocks: readonly number[], options: ResNetOptions, block: ResNetBlock = 'basic') {
    super();
    const { classes = 10, inChannels = 3, width = 1, activation = 'relu', ...from } = options;
    checkIntegers('resnet', { classes, inChannels });
    for (const count of blocks) checkIntegers('resnet', { blocks: count });
    const channels = channelsAt('resnet', width);
    this.#activation = activationNamed('resnet', activation).apply;
    let planes = channels(64);
    this.#conv1 = this.registerModule('conv1', convolution(inChannels, planes, 3, 1, from));
    this.#bn1 = this.registerModule('bn1', new BatchNorm2d(planes, from));
    this.#stages = blocks.map((count, index) => {
      const blocksOf = stage(count, index === 0 ? 1 : 2, (stride) => {
        const layers = BLOCKS[block](channels(64 * 2 ** index), stride);
        const inPlanes = planes;
        planes = layers.at(-1)?.planes ?? planes;
        return new ResidualBlock(inPlanes, layers, this.#activation, from);
      });
      return this.registerModule(`layer${index + 1}`, blocksOf);
    });
    this.#linear = this.registerModule('linear', new Linear(planes, classes, from));
  }

  /** Images `[n, inChannels, h, w]` to logits `[n, classes]`. */
  forward(x: Tensor): Tensor {
    let features = this.#activation(convBatchNorm(this.#conv1, this.#bn1, x));
    for (const layers of this.#stages) features = layers.forward(features);
    return this.#linear.forward(mean(features, [2, 3]));
  }
}

/** ResNet-18 for CIFAR: 11,173,962 parameters with 10 classes. */
export function resnet18(options: ResNetOptions): ResNet {
  return new ResNet([2, 2, 2, 2], options);
}

/** ResNet-50 for CIFAR, with bottlenecks that have the stride in the 3 x 3: 23,520,842 parameters with 10 classes. */
export function resnet50(options: ResNetOptions): ResNet {
  return new ResNet([3, 4, 6, 3], options, 'bottleneck');
}
