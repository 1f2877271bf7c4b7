import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  DivergenceError,
  Trainer,
  decodeTrainingCheckpoint,
  encodeTrainingCheckpoint,
  mimaeAT,
  mma,
  standardAT,
  trades,
  type TrainerOptions,
} from '../../adversarial/index.js';
import { Dataset } from '../../data/dataset.js';
import { ArgumentError, FormatError, tensor, type Device } from '../../engine/index.js';
import { StateDictError, encodeSafetensors } from '../../nn/index.js';
import { ownDevice, testDevice } from '../support/device.js';
import { SmallNet, smallImages } from './small-images.js';

let device: Device;
beforeAll(async () => {
  device = await testDevice();
});
afterAll(() => {
  device.destroy();
});

const dataset = smallImages(40);

function settings(net: SmallNet, changes: Partial<TrainerOptions> = {}): TrainerOptions {
  return {
    ...{ model: net, dataset, objective: mimaeAT({ beta: 0.1 }), batchSize: 16, steps: 7, lr: 0.05, momentum: 0.9 },
    ...{ attack: { eps: 0.1, steps: 2, rampFraction: 0.5 }, weightDecay: 2e-4, seed: 7, logEvery: 2, ...changes },
  };
}

/** The bytes of the last checkpoint of a run in pieces, each with a network and a trainer of its own, on a device of its own if told. */
async function inPieces(
  ends: readonly number[],
  changes: Partial<TrainerOptions> = {},
  { seeds = [3], fresh = false } = {},
): Promise<Uint8Array> {
  let bytes: Uint8Array | undefined;
  for (const [piece, end] of ends.entries()) {
    const own = fresh ? await testDevice() : device;
    const net = new SmallNet(own, { seed: seeds[piece % seeds.length] ?? 0 });
    const trainer = new Trainer(settings(net, changes));
    if (bytes) trainer.restore(decodeTrainingCheckpoint(bytes, 'bytes'));
    await trainer.run({ until: end });
    expect(trainer.step).toBe(end);
    bytes = encodeTrainingCheckpoint(await trainer.checkpoint());
    trainer.dispose();
    net.dispose();
    if (fresh) own.destroy();
  }
  return bytes ?? new Uint8Array();
}

describe('a run that is taken up again', () => {
  it.each<[string, Partial<TrainerOptions>]>([
    ['mimae-at, SGD with momentum', {}],
    ['trades, Adam', { objective: trades(), optimizer: 'adam', lr: 0.01 }],
    [
      'an exponential average, parts, clipping, augmentation and perturbed weights',
      {
        ...{ average: { kind: 'ema', decay: 0.9 }, accumulate: 2, maxNorm: 1, perturbation: { after: 1 } },
        augmentation: { padCropFlip: { padding: 1 } },
      },
    ],
    ['a mean over epochs, RMSprop', { average: { kind: 'swa', start: 0.2 }, optimizer: 'rmsprop', lr: 0.001 }],
    ['mma, whose margins are remembered', { objective: mma({ dMax: 0.3, minEps: 0.05, steps: 2, searchSteps: 3 }) }],
  ])('goes on with the bits that it would have had: %s', async (_, changes) => {
    const whole = await inPieces([7], changes);
    // Within an epoch of three steps, at its end, after one step; from networks that begin elsewhere.
    expect(await inPieces([1, 3, 5, 7], changes, { seeds: [3, 9] })).toEqual(whole);
  });

  it('also on another device', async () => {
    expect(await inPieces([4, 7], {}, { fresh: true })).toEqual(await inPieces([7]));
  });

  it('hands its checkpoints out after the metrics of their steps', async () => {
    const net = new SmallNet(device);
    const trainer = new Trainer(settings(net, { logEvery: 4 }));
    const seen: string[] = [];
    await trainer.run({
      checkpointEvery: 3,
      onProgress: ({ records }) => void seen.push(...records.map(({ step }) => String(step))),
      onCheckpoint: ({ step, epoch }) => void seen.push(`checkpoint ${step} in epoch ${epoch}`),
    });
    expect(seen).toEqual([
      '1',
      '2',
      '3',
      'checkpoint 3 in epoch 1',
      '4',
      '5',
      '6',
      'checkpoint 6 in epoch 2',
      '7',
      'checkpoint 7 in epoch 3',
    ]);
    trainer.dispose();
    net.dispose();
  });

  it('hands one out where variants were measured, which a run that is taken up again goes by alone', async () => {
    const own = await ownDevice();
    const net = new SmallNet(own);
    const trainer = new Trainer(settings(net));
    const seen: number[] = [];
    let bytes = new Uint8Array();
    await trainer.run({
      checkpointEvery: 4,
      onStep: ({ step }) => {
        if (step === 2) own.variants.set('a key', 'a variant');
      },
      onCheckpoint: async ({ step }) => {
        seen.push(step);
        if (step === 2) bytes = encodeTrainingCheckpoint(await trainer.checkpoint());
      },
    });
    expect(seen).toEqual([2, 4, 7]);
    own.variants.set('a key', 'a faster one');
    own.variants.set('another key', 'measured since');
    trainer.restore(decodeTrainingCheckpoint(bytes, 'bytes'));
    expect(own.variants.entries()).toEqual({ 'a key': 'a variant' });
    for (const each of [trainer, net]) each.dispose();
    own.destroy();
  });

  it('remembers what the run has warned of, and by what it is judged', async () => {
    // A rate of 0: it stays at uniform predictions.
    const changes = { lr: 0, steps: 30, objective: standardAT(), attack: { eps: 0.3, steps: 2, stepSize: 0.01 } };
    const net = new SmallNet(device, { seed: 3 });
    net.fc.weight.copyFrom(net.fc.weight.zerosLike());
    const warned: string[][] = [[], []];
    const first = new Trainer(settings(net, changes));
    await first.run({ until: 10, onWarning: (warning) => warned[0]?.push(warning) });
    const second = new Trainer(settings(net, changes));
    second.restore(decodeTrainingCheckpoint(encodeTrainingCheckpoint(await first.checkpoint()), 'bytes'));
    const { warnings, stuckAtUniform } = await second.run({ onWarning: (warning) => warned[1]?.push(warning) });
    expect(warned[0]).toEqual([expect.stringContaining('training attack: ')]);
    expect(warned[1]).toEqual([expect.stringMatching(/is at the value of uniform predictions: .* after 20 of 30/)]);
    expect([warnings, stuckAtUniform]).toEqual([warned.flat(), true]);
    for (const each of [first, second, net]) each.dispose();
  });

  it('hands one out when the signal ends the run', async () => {
    const net = new SmallNet(device);
    const trainer = new Trainer(settings(net, { logEvery: 2 }));
    const end = new AbortController();
    const seen: number[] = [];
    const run = trainer.run({
      signal: end.signal,
      onProgress: () => end.abort(new RangeError('enough')),
      onCheckpoint: ({ step }) => void seen.push(step),
    });
    await expect(run).rejects.toThrow('enough');
    expect(seen).toEqual([2]);
    trainer.dispose();
    net.dispose();
  });
});

describe('what is refused', () => {
  it('a checkpoint with a number that is not finite is never made', async () => {
    const net = new SmallNet(device);
    const trainer = new Trainer(settings(net));
    // Written, not computed: shaders need not make infinities.
    net.fc.bias?.copyFrom(tensor([0, Infinity, 0], { device }));
    const made = trainer.checkpoint();
    await expect(made).rejects.toThrow(DivergenceError);
    await expect(made).rejects.toThrow('model.fc.bias is not finite after step 0');
    trainer.dispose();
    net.dispose();
  });

  it('one of another model, or of another run', async () => {
    const net = new SmallNet(device);
    const trainer = new Trainer(settings(net));
    const checkpoint = await trainer.checkpoint();
    const other = new SmallNet(device, { classes: 5 });
    const otherTrainer = new Trainer(settings(other));
    expect(() => otherTrainer.restore(checkpoint)).toThrow(StateDictError);
    expect(() => trainer.restore({ ...checkpoint, step: 8 })).toThrow('a checkpoint after step 8 of a run of 7');
    expect(() => trainer.restore({ ...checkpoint, generators: [] })).toThrow(ArgumentError);
    const { name, images, shape, classes } = dataset;
    const labels = [...dataset.labels.slice(0, 39), (dataset.labels[39] ?? 0) ^ 1];
    const elsewhere = new Trainer(settings(net, { dataset: new Dataset({ name, images, labels, shape, classes }) }));
    expect(() => elsewhere.restore(checkpoint)).toThrow(ArgumentError);
    expect(() => elsewhere.restore(checkpoint)).toThrow(
      `the checkpoint is of a run on other images or labels (${dataset.fingerprint}) than those of ${dataset.name} (`,
    );
    elsewhere.restore({ ...checkpoint, dataset: undefined });
    for (const each of [trainer, otherTrainer, elsewhere, net, other]) each.dispose();
  });

  it.each<[string, Record<string, string>, RegExp]>([
    [
      'a file of weights',
      { format: 'pt' },
      /its metadata say format pt; the checkpoint of a run says bulwark-training-1/,
    ],
    ['a file without metadata', {}, /format nothing/],
    ['no JSON', { format: 'bulwark-training-1', run: '{' }, /is no JSON/],
    ['no step', { format: 'bulwark-training-1', run: '{"generators":[],"variants":{}}' }, /lack the step/],
    [
      'a generator that is none',
      { format: 'bulwark-training-1', run: '{"step":1,"generators":[{}],"variants":{}}' },
      /generator 0 is no state of a generator/,
    ],
    [
      'a best validation that is none',
      { format: 'bulwark-training-1', run: '{"step":1,"generators":[],"variants":{},"best":{"step":1}}' },
      /best validation/,
    ],
  ])('%s', (_, metadata, message) => {
    const bytes = encodeSafetensors({}, metadata);
    expect(() => decodeTrainingCheckpoint(bytes, 'file')).toThrow(FormatError);
    expect(() => decodeTrainingCheckpoint(bytes, 'file')).toThrow(message);
  });
});
