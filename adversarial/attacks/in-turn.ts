import { noGrad } from '../../engine/autograd.js';
import { ArgumentError } from '../../engine/errors.js';
import { tensor } from '../../engine/ops/create.js';
import { add } from '../../engine/ops/elementwise.js';
import { concat } from '../../engine/ops/movement.js';
import { indexSelect } from '../../engine/ops/indexing.js';
import { argmax } from '../../engine/ops/reduce.js';
import { Generator, type GeneratorState } from '../../engine/random.js';
import type { Tensor } from '../../engine/tensor.js';
import { inEvalMode, logitsOf, type Model } from '../model.js';
import type { Attack, HostedAttack, HostedRun } from './attack.js';
import { checkBatch } from './input-gradient.js';

/**
 * Several attacks as one, the ensemble of Croce and Hein 2020: each in its turn runs on the samples that are still classified rightly, and the first that
 * fools a sample gives its image. Samples that are misclassified as they are, or that none fools, stay as they are.
 *
 * Each attack has random numbers of its own, which the others do not change.
 *
 * @param name what a report calls it
 * @throws ArgumentError where there is no attack
 */
export function inTurn(
  name: string,
  attacks: readonly Attack[],
  settings: Readonly<Record<string, string | number>> = {},
): HostedAttack {
  if (attacks.length === 0) throw new ArgumentError('inTurn: got no attacks; give at least one');
  return {
    hosted: true,
    settings: { attack: name, ...settings },
    warnings: attacks.flatMap(({ warnings, settings: { attack } }) => warnings.map((text) => `${attack}: ${text}`)),
    run: (model, x, labels, run) => runInTurn(model, x, labels, attacks, run),
  };
}

async function runInTurn(
  model: Model,
  x: Tensor,
  labels: Tensor,
  attacks: readonly Attack[],
  { generator, samples, signal }: HostedRun,
): Promise<Tensor> {
  checkBatch('inTurn', x, labels);
  const { device } = x;
  const [truth, numbers] = await Promise.all([labels.data(), samples?.data()]);
  const natural = await predictionsOf(model, x);
  let left = Array.from(truth.keys()).filter((i) => natural[i] === truth[i]);
  let result = noGrad(device, () => add(x, 0));
  const { stream, ...state } = generator.state();
  try {
    for (const [number, attack] of attacks.entries()) {
      if (left.length === 0) break;
      signal?.throwIfAborted();
      // Streams of the same purpose, far from that of the first.
      const own: GeneratorState = { ...state, stream: [(stream[0] + number * 2 ** 16) >>> 0, stream[1]] };
      const batch = {
        some: device.scope(() => noGrad(device, () => indexSelect(x, 0, tensor(Int32Array.from(left), { device })))),
        classes: tensor(
          Int32Array.from(left, (i) => truth[i] ?? 0),
          { device },
        ),
        samples: tensor(
          Int32Array.from(left, (i) => numbers?.[i] ?? i),
          { device },
        ),
      };
      let found: Tensor | undefined;
      try {
        const random = { generator: Generator.fromState(own), samples: batch.samples };
        found = attack.hosted
          ? await attack.run(model, batch.some, batch.classes, { ...random, signal })
          : device.scope(() => attack.run(model, batch.some, batch.classes, random));
        const given = await predictionsOf(model, found);
        const fooled = left
          .map((sample, row) => ({ sample, row }))
          .filter(({ sample, row }) => given[row] !== truth[sample]);
        const before = result;
        result = replaced(before, found, fooled);
        before.dispose();
        const gone = new Set(fooled.map(({ sample }) => sample));
        left = left.filter((sample) => !gone.has(sample));
      } finally {
        for (const each of [...Object.values(batch), found]) each?.dispose();
      }
    }
    return result;
  } catch (error) {
    result.dispose();
    throw error;
  }
}

async function predictionsOf(model: Model, images: Tensor): Promise<ArrayLike<number>> {
  const { device } = images;
  const classes = device.scope(() => noGrad(device, () => inEvalMode(model, () => argmax(logitsOf(model, images), 1))));
  try {
    return await classes.data();
  } finally {
    classes.dispose();
  }
}

/** `images` with some rows taken from others. */
function replaced(
  images: Tensor,
  others: Tensor,
  rows: readonly { readonly sample: number; readonly row: number }[],
): Tensor {
  const { device } = images;
  const [m = 0] = images.shape;
  const order = Int32Array.from({ length: m }, (_, i) => i);
  for (const { sample, row } of rows) order[sample] = m + row;
  return device.scope(() => noGrad(device, () => indexSelect(concat([images, others]), 0, tensor(order, { device }))));
}
