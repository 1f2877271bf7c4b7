import { ArgumentError } from '../../engine/errors.js';
import { unknownName } from '../../engine/named-options.js';
import { add } from '../../engine/ops/elementwise.js';
import { mean } from '../../engine/ops/reduce.js';
import type { Generator } from '../../engine/random.js';
import type { Tensor } from '../../engine/tensor.js';
import { BatchNorm2d } from '../layers/batch-norm.js';
import { convBatchNorm } from '../layers/conv-batch-norm.js';
import type { Conv2d } from '../layers/conv.js';
import { Dropout } from '../layers/dropout.js';
import { Linear } from '../layers/linear.js';
import { Sequential } from '../layers/sequential.js';
import { checkIntegers } from '../layers/sizes.js';
import { Module } from '../module.js';
import { activationNamed } from './activation.js';
import { channelsAt } from './channels.js';
import {
  STRIDE_PADDINGS,
  convolution,
  paddedSame,
  stage,
  type ResidualOptions,
  type Source,
  type StridePadding,
} from './residual.js';

/** Dropout between the two convolutions of a block. */
interface BlockDropout {
  /** Probability; 0, no dropout, unless told. */
  readonly dropout?: number;
  /** Where dropout's masks come from; the device's own stream for dropout unless told. */
  readonly dropoutGenerator?: Generator | undefined;
}

interface BlockOptions extends Source, BlockDropout {
  readonly stride: 1 | 2;
  readonly activation: (x: Tensor) => Tensor;
  readonly padding: StridePadding;
  /** The key of the shortcut's convolution: alone, or first in a `Sequential`. */
  readonly shortcut: 'convShortcut' | 'shortcut.0';
}

/**
 * Normalisation and activation f before each convolution: `a = f(bn1(x)); conv2(f(bn2(conv1(a)))) + shortcut`, where the shortcut is
 * x itself, or, where size or channels change, a 1 x 1 convolution of a without normalisation.
 */
class PreActBlock extends Module {
  readonly #bn1: BatchNorm2d;
  readonly #conv1: Conv2d;
  readonly #bn2: BatchNorm2d;
  readonly #dropout: Dropout | undefined;
  readonly #conv2: Conv2d;
  readonly #projection: Conv2d | undefined;
  readonly #padsBefore: boolean;
  readonly #activation: (x: Tensor) => Tensor;

  constructor(inPlanes: number, planes: number, options: BlockOptions) {
    super();
    const { stride, activation, padding, dropout = 0, dropoutGenerator, shortcut, ...from } = options;
    this.#activation = activation;
    this.#padsBefore = padding === 'same' && stride === 2;
    this.#bn1 = this.registerModule('bn1', new BatchNorm2d(inPlanes, from));
    this.#conv1 = this.registerModule(
      'conv1',
      convolution(inPlanes, planes, 3, stride, this.#padsBefore ? { ...from, padding: 0 } : from),
    );
    this.#bn2 = this.registerModule('bn2', new BatchNorm2d(planes, from));
    if (dropout !== 0) {
      this.#dropout = this.registerModule('dropout', new Dropout(dropout, { generator: dropoutGenerator }));
    }
    this.#conv2 = this.registerModule('conv2', convolution(planes, planes, 3, 1, from));
    if (stride === 1 && inPlanes === planes) return;
    this.#projection = convolution(inPlanes, planes, 1, stride, from);
    if (shortcut === 'shortcut.0') this.registerModule('shortcut', new Sequential(this.#projection));
    else this.registerModule(shortcut, this.#projection);
  }

  forward(x: Tensor): Tensor {
    const activated = this.#activation(this.#bn1.forward(x));
    const shortcut = this.#projection ? this.#projection.forward(activated) : x;
    const padded = this.#padsBefore ? paddedSame(activated) : activated;
    const inner = this.#activation(convBatchNorm(this.#conv1, this.#bn2, padded));
    return add(this.#conv2.forward(this.#dropout ? this.#dropout.forward(inner) : inner), shortcut);
  }
}

/** Options of a {@link PreActNet}. */
export interface PreActOptions extends ResidualOptions, BlockDropout {
  /** 'symmetric' unless told. */
  readonly padding?: StridePadding;
}

/** What tells one publication's network from another's. */
export interface PreActLayout {
  /** Named in errors. */
  readonly model: string;
  /** Channels of the first convolution, at width 1. */
  readonly stem: number;
  /** Channels at width 1, and the number of blocks; all stages but the first halve height and width. */
  readonly stages: readonly { readonly planes: number; readonly blocks: number }[];
  /** State-dict keys: `stage` is followed by the stage's number, from 1, and by `blocks`, where the blocks have a key of their own in it. */
  readonly keys: {
    readonly stage: string;
    readonly blocks?: string;
    readonly shortcut: 'convShortcut' | 'shortcut.0';
    readonly norm: string;
    readonly linear: string;
  };
}

/**
 * A pre-activation residual network: He, Zhang, Ren and Sun, "Identity mappings in deep residual networks", ECCV 2016. A 3 x 3
 * convolution; the stages; normalisation and activation; the average of the whole map; a linear layer. Images `[n, inChannels, h, w]` to
 * logits `[n, classes]`, from PyTorch's default initialisation.
 */
export abstract class PreActNet extends Module {
  readonly padding: StridePadding;
  readonly #conv1: Conv2d;
  readonly #stages: readonly Module[];
  readonly #norm: BatchNorm2d;
  readonly #linear: Linear;
  readonly #activation: (x: Tensor) => Tensor;

  /**
   * @throws ArgumentError for a width that is not a finite number above 0, classes, channels or blocks that are no positive integers, a
   * dropout outside [0, 1], or an unknown activation or padding
   */
  protected constructor({ model, stem, stages, keys }: PreActLayout, options: PreActOptions) {
    super();
    const { classes = 10, inChannels = 3, width = 1, activation = 'relu', padding = 'symmetric', ...block } = options;
    const from = { device: options.device, generator: options.generator };
    checkIntegers(model, { classes, inChannels });
    const channels = channelsAt(model, width);
    this.#activation = activationNamed(model, activation).apply;
    // Callers without types can pass anything.
    if (!STRIDE_PADDINGS.includes(padding)) {
      throw new ArgumentError(`${model}: ${unknownName('padding', padding, STRIDE_PADDINGS)}`);
    }
    this.padding = padding;
    const common = { ...block, activation: this.#activation, padding, shortcut: keys.shortcut };
    let inPlanes = channels(stem);
    this.#conv1 = this.registerModule('conv1', convolution(inChannels, inPlanes, 3, 1, from));
    this.#stages = stages.map(({ planes, blocks }, index) => {
      const layers = stage(blocks, index === 0 ? 1 : 2, (stride) => {
        const made = new PreActBlock(inPlanes, channels(planes), { ...common, stride });
        inPlanes = channels(planes);
        return made;
      });
      const whole = keys.blocks === undefined ? layers : new Sequential({ [keys.blocks]: layers });
      return this.registerModule(`${keys.stage}${index + 1}`, whole);
    });
    this.#norm = this.registerModule(keys.norm, new BatchNorm2d(inPlanes, from));
    this.#linear = this.registerModule(keys.linear, new Linear(inPlanes, classes, from));
  }

  /** Images `[n, inChannels, h, w]` to logits `[n, classes]`. */
  forward(x: Tensor): Tensor {
    const features = this.#stages.reduce((value, layers) => layers.forward(value), this.#conv1.forward(x));
    return this.#linear.forward(mean(this.#activation(this.#norm.forward(features)), [2, 3]));
  }
}
