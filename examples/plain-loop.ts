/**
 * Adversarial training as a plain loop, to copy out and change: MIMAE-AT with PGD, without the trainer and without captured steps. With the
 * same seed and settings it takes the steps that `Trainer` takes.
 */
import { Generator, Loader, SGD, adversarialStep, mimaeAT, pgd, tensor, type Dataset, type Module } from '../index.js';

/** Trains a model for some epochs; gives the loss of each step. */
export async function plainLoop(model: Module, dataset: Dataset, epochs: number, seed = 0): Promise<number[]> {
  const { device } = model;
  const parameters = model.parameters();
  const objective = mimaeAT({ lambda: 0.4, beta: 0.1 });
  const loader = new Loader(dataset, { batchSize: 16, seed });
  using optimizer = new SGD(parameters, { lr: 0.05, momentum: 0.9, weightDecay: 2e-4 });
  const losses: number[] = [];
  let step = 0;
  for (let epoch = 0; epoch < epochs; epoch++) {
    optimizer.lr = epoch < 75 ? 0.05 : 0.005;
    for await (const { images, labels, shape } of loader.epoch(epoch)) {
      step++;
      // A stream of its own for each step: a loop that goes on later can begin anywhere.
      const generator = new Generator(seed, { purpose: 'start', index: step });
      const loss = await device.scope(async () => {
        const { total, gradients } = adversarialStep({
          model,
          parameters,
          objective,
          attack: (victim, x, y) =>
            pgd(victim, x, y, { eps: 0.1, stepSize: 0.025, steps: 4, start: 'normal', generator }),
          x: tensor(images, { device, shape }),
          labels: tensor(labels, { device }),
        });
        optimizer.step(gradients);
        return total.item();
      });
      losses.push(loss);
    }
  }
  return losses;
}
