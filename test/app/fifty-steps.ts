/** A run of 50 steps that is the same everywhere but for the adapter: what the page and Node.js compute to compare. */
import { Trainer, mimaeAT } from '../../adversarial/index.js';
import { Dataset } from '../../data/dataset.js';
import { Generator, type Device } from '../../engine/index.js';
import { cnn4, saveStateDict } from '../../nn/index.js';

const [SIZE, PIXELS, CLASSES] = [64, 28 * 28, 10];

/** Noise, each class with a bright bar of its own: all of it from integers. */
function bars(): Dataset {
  const images = new Uint8Array(SIZE * PIXELS);
  const labels = Array.from({ length: SIZE }, (_, index) => index % CLASSES);
  let state = 1;
  for (let i = 0; i < images.length; i++) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    const row = Math.floor((i % PIXELS) / 28);
    const bright = Math.floor(row / 2.8) === labels[Math.floor(i / PIXELS)];
    images[i] = (state >>> 26) + (bright ? 128 : 0);
  }
  return new Dataset({ name: 'bars', images, labels, shape: [SIZE, 1, 28, 28], classes: CLASSES });
}

/** Trains by MIMAE-AT with random starts, and gives the values of every parameter and buffer, and the losses of the steps. */
export async function fiftySteps(device: Device): Promise<{ values: Record<string, number[]>; losses: number[] }> {
  const model = cnn4({ device, width: 0.125, generator: new Generator(3, { purpose: 'init' }) });
  const trainer = new Trainer({
    ...{ model, dataset: bars(), objective: mimaeAT(), batchSize: 16, steps: 50, seed: 5 },
    ...{ lr: 0.02, momentum: 0.9, weightDecay: 1e-4, attack: { eps: 0.1, steps: 3 } },
  });
  const losses: number[] = [];
  await trainer.run({
    onProgress: ({ records }) => void losses.push(...records.map(({ metrics }) => metrics['total'] ?? NaN)),
  });
  const state = Object.entries(await saveStateDict(model));
  trainer.dispose();
  model.dispose();
  return { values: Object.fromEntries(state.map(([name, { data }]) => [name, Array.from(data, Number)])), losses };
}
