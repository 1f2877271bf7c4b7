import { ArgumentError } from '../../engine/errors.js';
import { kaimingNormal, zeros } from '../init.js';
import { Conv2d } from '../layers/conv.js';
import { Linear } from '../layers/linear.js';
import { checkIntegers } from '../layers/sizes.js';
import { PreActNet, type PreActOptions } from './pre-activation.js';

/** Options of {@link wrn}. */
export interface WideResNetOptions extends PreActOptions {
  /** Number of layers, 6 n + 4 for n blocks in each of the three stages: 10, 16, 22, 28, 34, ... */
  readonly depth: number;
  /** The stages have 16, 32 and 64 times this many channels. */
  readonly widen: number;
}

/**
 * A wide residual network: Zagoruyko and Komodakis, "Wide residual networks", BMVC 2016, as TRADES and MART have it, whose keys and
 * initialisation it shares: convolutions normal with variance 2 / (k k out), biases 0. Their modules have a `sub_block1` besides, which
 * nothing computes with.
 */
export class WideResNet extends PreActNet {
  /**
   * @throws ArgumentError for a depth that is not 6 n + 4, a width that is not a finite number above 0, widening, classes or channels that
   * are no positive integers, a dropout outside [0, 1], or an unknown activation or padding
   */
  constructor({ depth, widen, ...options }: WideResNetOptions) {
    const blocks = (depth - 4) / 6;
    if (!(Number.isInteger(blocks) && blocks >= 1)) {
      throw new ArgumentError(`wrn: depth is ${depth}; expected 6 n + 4 for n blocks a stage: 10, 16, 22, 28, 34, ...`);
    }
    checkIntegers('wrn', { widen });
    const stages = [16, 32, 64].map((planes) => ({ planes: planes * widen, blocks }));
    const keys = { stage: 'block', blocks: 'layer', shortcut: 'convShortcut', norm: 'bn1', linear: 'fc' } as const;
    super({ model: 'wrn', stem: 16, stages, keys }, options);
    for (const layer of this.modules()) {
      if (layer instanceof Conv2d) kaimingNormal(layer.weight, { mode: 'fanOut', generator: options.generator });
      if (layer instanceof Linear && layer.bias) zeros(layer.bias);
    }
  }
}

/** WRN-depth-widen for CIFAR: 46,160,474 parameters with depth 34, widening 10 and 10 classes. */
export function wrn(options: WideResNetOptions): WideResNet {
  return new WideResNet(options);
}
