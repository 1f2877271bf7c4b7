import type { Device } from '../../engine/device.js';
import { ArgumentError } from '../../engine/errors.js';
import { flatten } from '../../engine/ops/movement.js';
import type { Generator } from '../../engine/random.js';
import type { Tensor } from '../../engine/tensor.js';
import { kaimingNormal, zeros } from '../init.js';
import { Conv2d } from '../layers/conv.js';
import { Dropout } from '../layers/dropout.js';
import { Linear } from '../layers/linear.js';
import { MaxPool2d } from '../layers/pool.js';
import { Sequential } from '../layers/sequential.js';
import { checkIntegers } from '../layers/sizes.js';
import { Module } from '../module.js';
import { activationNamed, type ActivationName } from './activation.js';
import { channelsAt } from './channels.js';

/** How a {@link Cnn4} starts. In both, the last layer is zero, so that all logits tie at first. */
export const CNN4_INITS = ['trades', 'kaimingNormal'] as const;

/**
 * One of {@link CNN4_INITS}: 'trades' is the published one (Kaiming-normal convolutions with zero biases, the default for the
 * linear layers); 'kaimingNormal' draws the linear layers that way too.
 */
export type Cnn4Init = (typeof CNN4_INITS)[number];

/** What `cnn4` and {@link Cnn4} both take. */
interface Cnn4Common {
  readonly device: Device;
  /** Where the initial values come from; the device's own stream for initialisation unless told. */
  readonly generator?: Generator | undefined;
  /** 'trades' unless told. */
  readonly init?: Cnn4Init;
  /** Number of logits; 10 unless told. */
  readonly classes?: number;
  /** 1 unless told. */
  readonly inChannels?: number;
  /** Height and width of the images, at least 16; 28 unless told. */
  readonly imageSize?: number;
  /** 'relu' unless told. */
  readonly activation?: ActivationName;
  /** Probability of dropout after the first linear layer; 0.5 unless told. */
  readonly dropout?: number;
  /** Where dropout's masks come from; the device's own stream for dropout unless told. */
  readonly dropoutGenerator?: Generator | undefined;
}

/** Options of {@link Cnn4}. */
export interface Cnn4Options extends Cnn4Common {
  /** Channels of the first and of the second pair of convolutions; 32 and 64 unless told. */
  readonly channels?: readonly [number, number];
  /** Width of the two hidden linear layers; 200 unless told. */
  readonly hidden?: number;
}

/** Options of {@link cnn4}. */
export interface Cnn4WidthOptions extends Cnn4Common {
  /** Multiplies the convolutions' 32 and 64 channels; the linear layers keep their 200. 1 unless told. */
  readonly width?: number;
}

/**
 * The 4-convolution network for MNIST of Carlini and Wagner, "Towards evaluating the robustness of neural networks" (S&P
 * 2017), as TRADES has it (`SmallCNN`), whose keys and initialisation it shares: conv3x3 - conv3x3 - maxpool2, twice, without
 * padding; then three linear layers, dropout after the first; ReLU between. 312,202 parameters as published. Pooling comes before
 * the ReLU that the publications have before it: the larger of two numbers is the same either way, and so are the gradients, on a
 * quarter of the elements. Other activations, which need not grow with their input, come first.
 */
export class Cnn4 extends Module {
  readonly #features: Sequential;
  readonly #classifier: Sequential;

  /** @throws ArgumentError for sizes that are not positive integers, images under 16 pixels, an unknown `init` or activation */
  constructor(options: Cnn4Options) {
    super();
    const { device, generator, init = 'trades', classes = 10, inChannels = 1, imageSize = 28, hidden = 200 } = options;
    const [c1, c2] = options.channels ?? [32, 64];
    checkIntegers('cnn4', { imageSize }, 16);
    checkIntegers('cnn4', { classes, inChannels, channels: [c1, c2], hidden });
    if (!CNN4_INITS.includes(init)) {
      throw new ArgumentError(`cnn4: unknown init '${init}'; there are ${CNN4_INITS.join(' and ')}`);
    }
    const { activation = 'relu' } = options;
    const { layer } = activationNamed('cnn4', activation);
    const active = (index: number): Record<string, Module> => ({ [`${activation}${index}`]: layer() });
    const pooled = (index: number): Record<string, Module> => {
      const pool = { [`maxpool${index}`]: new MaxPool2d(2) };
      return activation === 'relu' ? { ...pool, ...active(2 * index) } : { ...active(2 * index), ...pool };
    };
    const from = { device, generator };
    this.#features = this.registerModule(
      'feature_extractor',
      new Sequential({
        conv1: new Conv2d(inChannels, c1, 3, from),
        ...active(1),
        conv2: new Conv2d(c1, c1, 3, from),
        ...pooled(1),
        conv3: new Conv2d(c1, c2, 3, from),
        ...active(3),
        conv4: new Conv2d(c2, c2, 3, from),
        ...pooled(2),
      }),
    );
    const fc3 = new Linear(hidden, classes, from);
    this.#classifier = this.registerModule(
      'classifier',
      new Sequential({
        fc1: new Linear(c2 * featureSize(imageSize) ** 2, hidden, from),
        ...active(1),
        drop: new Dropout(options.dropout ?? 0.5, { generator: options.dropoutGenerator }),
        fc2: new Linear(hidden, hidden, from),
        ...active(2),
        fc3,
      }),
    );
    this.#initialise(init, fc3, generator);
  }

  #initialise(init: Cnn4Init, last: Linear, generator: Generator | undefined): void {
    for (const layer of this.modules()) {
      const chosen = layer instanceof Conv2d || (layer instanceof Linear && init === 'kaimingNormal');
      if (!chosen || layer === last) continue;
      kaimingNormal(layer.weight, { generator });
      if (layer.bias) zeros(layer.bias);
    }
    zeros(last.weight);
    if (last.bias) zeros(last.bias);
  }

  /** Images `[n, inChannels, imageSize, imageSize]` to logits `[n, classes]`. */
  forward(x: Tensor): Tensor {
    return this.#classifier.forward(flatten(this.#features.forward(x), 1));
  }
}

/** Height and width after the features: each half takes two 3x3 convolutions without padding and a pooling by 2. */
function featureSize(imageSize: number): number {
  const half = (size: number): number => Math.floor((size - 4) / 2);
  return half(half(imageSize));
}

/**
 * {@link Cnn4} with its convolutions widened or narrowed by a factor: 32 and 64 channels at width 1, 16 and 32 at width 0.5.
 *
 * @throws ArgumentError for a width that is not a finite number above 0, and as `Cnn4` does
 */
export function cnn4({ width = 1, ...options }: Cnn4WidthOptions): Cnn4 {
  const channels = channelsAt('cnn4', width);
  return new Cnn4({ ...options, channels: [channels(32), channels(64)] });
}
