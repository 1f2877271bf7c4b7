/** Training steps of whole networks on generated numbers: group `full_size` of the golden values. See `test/fixtures/README.md`. */
import { adversarialStep, mimaeAT, pgd } from '../../adversarial/index.js';
import { compile, detectAnomaly, tensor, zeros, type Compiled, type Device, type Tensor } from '../../engine/index.js';
import { sizeOf } from '../../engine/shape.js';
import { ResNet, SGD, wrn, type Module, type SafetensorsTensor } from '../../nn/index.js';
import { NetworkConfig, generated } from '../nn/generated-network.js';
import type { GoldenCase } from './golden.js';

/** What a step gives, by the names that the golden values have. */
export const FULL_SIZE_TERMS = ['loss', 'bce', 'mi', 'l1'] as const;

/** One number of a step for each of {@link FULL_SIZE_TERMS}. */
export type FullSizeLosses = Readonly<Record<(typeof FULL_SIZE_TERMS)[number], number>>;

type Inputs = [x: Tensor, labels: Tensor, start: Tensor];

/** The network of a case with its optimiser, and its steps of MIMAE-AT. */
export class FullSizeRun {
  readonly model: Module;
  readonly #golden: GoldenCase;
  readonly #device: Device;
  readonly #sgd: SGD;
  readonly #captured: Compiled<Inputs, Record<string, Tensor>>;
  #steps = 0;

  constructor(golden: GoldenCase, device: Device) {
    this.#golden = golden;
    this.#device = device;
    this.model = built(golden, device);
    load(this.model, golden);
    this.#sgd = new SGD(this.model.parameters(), {
      lr: golden.number('lr'),
      momentum: golden.number('momentum'),
      weightDecay: golden.number('weight_decay'),
    });
    this.#captured = compile((...inputs: Inputs) => this.#learn(...inputs));
  }

  /** Number of parameters. */
  get parameterCount(): number {
    return this.model.parameters().reduce((sum, { size }) => sum + size, 0);
  }

  /** Takes the next step, on the batch of its number; gives the losses before the update. */
  async step(mode: 'eager' | 'captured' = 'captured'): Promise<FullSizeLosses> {
    const step = this.#steps++;
    return this.#device.scope(async () => {
      const inputs = this.#batch(step);
      // While anomalies are watched for, nothing is captured.
      const eager = (): Promise<Record<string, Tensor>> => detectAnomaly(this.#device, () => this.#learn(...inputs));
      const values = mode === 'captured' ? this.#captured(...inputs) : await eager();
      const read = async (name: string): Promise<number> => (await values[name]?.item()) ?? NaN;
      return { loss: await read('loss'), bce: await read('bce'), mi: await read('mi'), l1: await read('l1') };
    });
  }

  /** The largest number of bytes that would be in use in a step with batches of `images`, which is not taken. */
  plannedPeak(images: number): number {
    const device = this.#device;
    this.#captured.dispose();
    return device.scope(() => {
      const x = zeros([images, ...this.#imageShape], { device });
      const labels = zeros([images], { device, dtype: 'i32' });
      const { total } = this.#captured.plannedMemory(x, labels, x.zerosLike());
      return device.memory().live + total;
    });
  }

  dispose(): void {
    this.#captured.dispose();
    this.#sgd.dispose();
    this.model.dispose();
  }

  #learn(x: Tensor, labels: Tensor, start: Tensor): Record<string, Tensor> {
    const [golden, { model }] = [this.#golden, this];
    const budget = {
      eps: golden.number('eps'),
      stepSize: golden.number('alpha'),
      steps: golden.number('attack_steps'),
    };
    const { total, terms, gradients } = adversarialStep({
      model,
      parameters: model.parameters(),
      objective: mimaeAT({ lambda: golden.number('lambda'), beta: golden.number('beta') }),
      attack: (victim, images, classes) => pgd(victim, images, classes, { ...budget, start }),
      x,
      labels,
    });
    this.#sgd.step(gradients);
    return { loss: total, ...terms };
  }

  get #imageShape(): [channels: number, height: number, width: number] {
    const size = this.#golden.number('size');
    return [3, size, size];
  }

  /** Patches of one colour with grain, in [0, 1]; labels; and where the attack starts. */
  #batch(step: number): Inputs {
    const [golden, device] = [this.#golden, this.#device];
    const [n, size] = [golden.number('batch'), golden.number('size')];
    const shape = [n, ...this.#imageShape];
    const seed = 10001 + 10 * step;
    const patches = generated([n, 3, 4, 4], { seed, offset: 0.5, scale: 0.35 });
    const images = generated(shape, { seed: seed + 1, offset: 0, scale: 0.15 }).map((grain, at) => {
      const [row, column] = [Math.floor(at / size) % size, at % size];
      const plane = Math.floor(at / size ** 2);
      return grain + (patches[16 * plane + 4 * Math.floor((4 * row) / size) + Math.floor((4 * column) / size)] ?? NaN);
    });
    const noise = tensor(generated(shape, { seed: seed + 2, offset: 0, scale: 1.75 }), { device, shape });
    const labels = Int32Array.from({ length: n }, (_, i) => (3 * i + step) % golden.number('classes'));
    const x = tensor(images, { device, shape });
    return [x, tensor(labels, { device }), x.add(noise.mul(golden.number('noise_scale')))];
  }
}

function built(golden: GoldenCase, device: Device): Module {
  const config = new NetworkConfig(Object.fromEntries(Object.entries(golden.attrs['config'] ?? {})));
  const common = { device, classes: golden.number('classes') };
  if (golden.string('arch') === 'wrn') {
    return wrn({ ...common, depth: config.number('depth'), widen: config.number('k') });
  }
  return new ResNet(config.numbers('blocks'), { ...common, width: config.number('width') / 64 });
}

/** Parameter i of the generator's seed 1 + i; those of normalisations stay as they start. */
function load(model: Module, golden: GoldenCase): void {
  const parameters = [...model.namedParameters()];
  const entries = parameters.flatMap(([name, { shape }], index): [string, SafetensorsTensor][] => {
    const recipe = recipeOf(name, shape, index, golden);
    return recipe ? [[name, { dtype: 'F32', shape, data: generated(shape, { seed: 1 + index, ...recipe }) }]] : [];
  });
  model.loadStateDict(Object.fromEntries(entries), { strict: false });
}

function recipeOf(name: string, shape: readonly number[], index: number, golden: GoldenCase) {
  const kind = index === 0 ? 'stem' : shape.length === 4 ? 'conv' : 'linear';
  if (shape.length > 1) {
    const fanIn = sizeOf(shape.slice(1));
    return { offset: golden.number(`${kind}_mean`) / fanIn, scale: golden.number(`${kind}_gain`) / Math.sqrt(fanIn) };
  }
  return /^(linear|fc)\.bias$/.test(name) ? { offset: 0, scale: 0.1 } : undefined;
}
