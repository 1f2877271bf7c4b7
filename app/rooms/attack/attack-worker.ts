/** What the attack room computes, in a worker, so that the page never waits. */
import { expose } from 'comlink';
import { concat, crossEntropy, noGrad, softmax, tensor, type Device } from '../../../engine/index.js';
import type { Module } from '../../../nn/module.js';
import { HeldDevice } from '../../worker/held-device.js';
import { ModelShelf } from '../../worker/model-shelf.js';
import { attackPath, type AttackChoice } from './attacks.js';

/** Height and width of the images. */
const SIDE = 28;

/** Images of one channel that the room looks at, [28, 28], in [0, 1]. */
export interface AttackRequest extends AttackChoice {
  readonly image: Float32Array;
  /** The class to attack away from; undefined for what the model itself takes the image for. */
  readonly label: number | undefined;
}

/** What became of an image. */
export interface AttackOutcome {
  /** Probabilities of the classes, before and after. */
  readonly before: Float32Array;
  readonly after: Float32Array;
  readonly adversarial: Float32Array;
  /** The class that was attacked. */
  readonly label: number;
  /** The cross-entropy of that class at each point of the attack's way. */
  readonly path: readonly number[];
}

/** Two models by the sides that they stand on, on one device. */
export class AttackService {
  readonly #held = new HeldDevice();
  readonly #shelf = new ModelShelf();

  /** Puts the model of a safetensors file on a side. Where it is refused, with a sentence, what stood there stays. */
  load(side: string, bytes: Uint8Array, name: string): Promise<void> {
    return this.#held.use((device) => {
      this.#shelf.add(side, bytes, device, name);
      return Promise.resolve();
    });
  }

  /** Attacks an image on the model of a side. A device that is lost is taken anew, once. */
  attack(side: string, request: AttackRequest): Promise<AttackOutcome> {
    return this.#held.use((device) => attackOn(device, this.#shelf.model(side, device), request));
  }
}

async function attackOn(
  device: Device,
  model: Module,
  { image, label, ...choice }: AttackRequest,
): Promise<AttackOutcome> {
  return device.scope(async () => {
    const x = tensor(image, { device, shape: [1, 1, SIDE, SIDE] });
    const before = await probabilities(device, model, x);
    const taken = label ?? before.indexOf(Math.max(...before));
    const labels = tensor(Int32Array.of(taken), { device });
    const points = await attackPath(model, x, labels, choice);
    const last = points.at(-1) ?? x;
    const all = concat([...points]);
    const path = noGrad(device, () =>
      crossEntropy(model.forward(all), tensor(new Int32Array(points.length).fill(taken), { device }), {
        reduction: 'none',
      }),
    );
    const after = await probabilities(device, model, last);
    const [values, adversarial] = await Promise.all([path.data(), last.data()]);
    return {
      ...{ before, after, label: taken, path: Array.from(values, Number) },
      adversarial: Float32Array.from(adversarial),
    };
  });
}

async function probabilities(
  device: Device,
  model: Module,
  x: Parameters<Module['forward']>[0],
): Promise<Float32Array> {
  return Float32Array.from(await noGrad(device, () => softmax(model.forward(x))).data());
}

expose(new AttackService());
