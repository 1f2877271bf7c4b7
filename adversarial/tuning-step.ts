import type { Device } from '../engine/device.js';
import { tensor } from '../engine/ops/create.js';
import { Generator } from '../engine/random.js';
import { modelEntry, modelNamed } from '../nn/models/registry.js';
import { pgd } from './attacks/pgd.js';
import { mimaeAT } from './objectives/mimae-at.js';
import { adversarialStep } from './step.js';

/** The network whose step is taken: its name in the registry, the factor of its channels, and how many images there are to a step. */
export interface TuningStep {
  readonly model: string;
  readonly width: number;
  readonly batch: number;
}

/**
 * Records one MIMAE-AT step on random images, which asks for the variants of everything that training will: what `tune` then measures.
 *
 * @throws ArgumentError where there is no such model
 */
export function takeTuningStep(device: Device, { model: name, width, batch }: TuningStep): void {
  device.scope(() => {
    const model = modelNamed(name, { device, generator: new Generator(0), options: { width } });
    const shape = [batch, ...modelEntry(name).imageShape];
    const size = shape.reduce((product, extent) => product * extent, 1);
    const x = tensor(new Generator(1).uniform(size), { device, shape });
    const labels = tensor(new Int32Array(batch), { device });
    adversarialStep({
      ...{ model, parameters: model.parameters(), objective: mimaeAT(), x, labels },
      attack: (of, images, classes) => pgd(of, images, classes, { eps: 0.1, stepSize: 0.1, steps: 1 }),
    });
    model.dispose();
  });
}
