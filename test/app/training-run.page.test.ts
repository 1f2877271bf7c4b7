import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Images } from '../../app/rooms/train/images.js';
import { decodeRun, encodeRun, isRun } from '../../app/rooms/train/run-file.js';
import type { KeptRun } from '../../app/rooms/train/run-store.js';
import { DEFAULTS, type TrainSettings } from '../../app/rooms/train/settings.js';
import { TrainingRun, type Beginning, type TrainUpdate } from '../../app/rooms/train/training-run.js';
import { Dataset } from '../../data/dataset.js';
import { DeviceLostError, FormatError } from '../../engine/errors.js';
import { Generator, type Device } from '../../engine/index.js';
import { modelDescriptionOf, modelMetadata, modelOfFile, type ModelFile } from '../../nn/model-file.js';
import { modelNamed } from '../../nn/models/registry.js';
import { decodeSafetensors, encodeSafetensors } from '../../nn/safetensors.js';
import { saveStateDict } from '../../nn/state-dict.js';
import { ownDevice, testDevice } from '../support/device.js';
import { uniformFloats } from '../support/values.js';

const COUNT = 20;

const dataset = (seed: number): Dataset =>
  new Dataset({
    name: 'noise',
    images: uniformFloats(COUNT * 784, seed).map(Math.abs),
    labels: Array.from({ length: COUNT }, (_, i) => i % 10),
    shape: [COUNT, 1, 28, 28],
    classes: 10,
  });

const images: Images = {
  ...{ train: dataset(1), test: dataset(2) },
  facts: { train: COUNT, test: COUNT, digest: 'noise' },
};

const settings: TrainSettings = {
  ...DEFAULTS,
  ...{ width: 0.125, attackSteps: 4, batchSize: 4, steps: 6, measureEvery: 3, measureOn: 8, eps: 0.1 },
};

/** A run with everything that it kept. */
function begun(beginning: Partial<Beginning> = {}): { run: TrainingRun; kept: KeptRun[] } {
  const kept: KeptRun[] = [];
  const run = TrainingRun.beginning({ settings, images, ...beginning }, (each) => {
    kept.push(each);
    return Promise.resolve();
  });
  return { run, kept };
}

const nothing = (): void => undefined;

let device: Device;
/** The run of the settings, from beginning to end. */
let unbroken: Awaited<ReturnType<typeof end>>;
beforeAll(async () => {
  device = await testDevice();
  const { run } = begun();
  run.prepare(device);
  expect(await run.advance(device, nothing)).toBe(true);
  unbroken = await end(run, device);
  run.dispose();
});
afterAll(() => {
  device.destroy();
});

/** What is left of a run at its end: bits. */
async function end(run: TrainingRun, device: Device): Promise<{ model: Uint8Array; kept: KeptRun }> {
  return { model: await run.modelFile(device), kept: await run.kept(device) };
}

/** A model's file of another network than that of the settings, which normalises its images besides. */
async function otherModel(): Promise<ModelFile> {
  const description = {
    ...{ name: 'cnn4', classes: 10, inChannels: 1, imageSize: 28 },
    options: { width: 0.25, activation: 'silu', dropout: 0.2, init: 'kaimingNormal' },
  };
  const { name, ...rest } = description;
  const model = modelNamed(name, { ...rest, device, generator: new Generator(5) });
  const bytes = encodeSafetensors(await saveStateDict(model), {
    ...modelMetadata(description),
    ...{ 'normalize.mean': '0.13', 'normalize.std': '0.31' },
  });
  model.dispose();
  return { path: 'other', ...decodeSafetensors(bytes, 'other') };
}

describe('a run of the room Train', () => {
  it('goes on with the same bits after it was paused, changed at once, kept, and made a file', async () => {
    const { run, kept } = begun();
    run.prepare(device);
    const told: TrainUpdate[] = [];
    const advancing = run.advance(device, (update) => {
      told.push(update);
      if (update.measured?.step !== 0) return;
      // One right after the other: both count.
      run.change({ name: 'mimae-at', options: { lambda: 0.7, beta: 0.2 } });
      run.pause();
    });
    expect(await advancing).toBe(false);
    const atRest = kept.at(-1);
    expect(atRest?.step).toBeLessThan(6);
    // Changed while it rests: what is kept has it.
    run.change({ name: 'mimae-at', options: { lambda: 0.3, beta: 0.2 } });
    const stopped = await run.kept(device);
    expect(await run.advance(device, (update) => told.push(update))).toBe(true);
    const notes = told.flatMap(({ note }) => note ?? []);
    const at = stopped.step + 1;
    expect(notes).toEqual([0.7, 0.3].map((lambda) => `From step ${at} on: lambda ${lambda}, beta 0.2.`));
    const reached = await end(run, device);
    expect(reached.kept.notes).toEqual(notes);
    expect(reached.kept.settings.objective.options).toEqual({ lambda: 0.3, beta: 0.2 });
    run.dispose();

    const file = encodeRun(stopped);
    expect(isRun(decodeSafetensors(file, 'run').metadata)).toBe(true);
    for (const from of [stopped, decodeRun(file, 'run')]) {
      const resumed = TrainingRun.kept(from, images, () => Promise.reject(new Error('a browser that keeps nothing')));
      resumed.prepare(device);
      expect(await resumed.advance(device, nothing)).toBe(true);
      const again = await end(resumed, device);
      expect(again.model).toEqual(reached.model);
      expect(again.kept.notes).toEqual(notes);
      expect(again.kept.curves.steps).toEqual(reached.kept.curves.steps);
      expect(again.kept.curves.terms).toEqual(reached.kept.curves.terms);
      resumed.dispose();
    }
  });

  it('loses nothing with its device, in mid-run and while it is paused', async () => {
    const { run, kept } = begun();
    const first = await ownDevice();
    run.prepare(first);
    const told: TrainUpdate[] = [];
    const losing = run.advance(first, (update) => {
      if (update.step > 0) first.destroy();
    });
    await expect(losing).rejects.toThrow(DeviceLostError);
    const at = kept.at(-1)?.step ?? NaN;

    const second = await ownDevice();
    const pausing = run.advance(second, (update) => {
      told.push(update);
      run.pause();
    });
    expect(await pausing).toBe(false);
    expect(told.flatMap(({ note }) => note ?? [])).toEqual([`The adapter was lost; the run goes on from step ${at}.`]);
    expect(told[0]?.curves?.steps.every((step) => step <= at)).toBe(true);

    second.destroy();
    const { step } = await run.measure(device, 8);
    expect(step).toBe(kept.at(-1)?.step);
    expect(await run.advance(device, nothing)).toBe(true);
    const reached = await end(run, device);
    expect(reached.model).toEqual(unbroken.model);
    expect(reached.kept.curves.steps).toEqual(unbroken.kept.curves.steps);
    expect(reached.kept.curves.terms).toEqual(unbroken.kept.curves.terms);
    run.dispose();
  });

  it('goes on as it was where other options are refused', async () => {
    const { run } = begun();
    run.prepare(device);
    const refusals: unknown[] = [];
    const over = await run.advance(device, ({ measured }) => {
      if (measured?.step !== 3) return;
      for (const options of [{ lambda: -1 }, { steps: 0.5 }, { labelSmoothing: 1 }]) {
        try {
          run.change({ name: 'mimae-at', options });
        } catch (error) {
          refusals.push(error);
        }
      }
    });
    expect(over).toBe(true);
    expect(refusals).toHaveLength(3);
    expect((await end(run, device)).model).toEqual(unbroken.model);
    run.dispose();
  });

  it('keeps the network of the file that it began with', async () => {
    const weights = await otherModel();
    const { run, kept } = begun({ weights });
    run.prepare(device);
    expect(await run.advance(device, nothing)).toBe(true);
    const reached = await end(run, device);
    const file = { path: 'saved', ...decodeSafetensors(reached.model, 'saved') };
    const description = modelDescriptionOf(file);
    expect(description.options).toMatchObject({ width: 0.25, activation: 'silu', dropout: 0.2 });
    const source = { device, generator: new Generator(0) };
    expect(modelOfFile(file, description, source).stateDict().has('normalize.mean')).toBe(true);
    run.dispose();

    const middle = kept.find(({ step }) => step === 3);
    if (!middle) throw new Error('the run was not kept after step 3');
    const resumed = TrainingRun.kept(middle, images, () => Promise.resolve());
    resumed.prepare(device);
    expect(await resumed.advance(device, nothing)).toBe(true);
    expect((await end(resumed, device)).model).toEqual(reached.model);
    resumed.dispose();
  });

  it('is refused in a sentence with settings or files that are no use', async () => {
    const refused = (beginning: Partial<Beginning>) => (): void => begun(beginning).run.prepare(device);
    const before = device.memory().tensors;
    expect(refused({ settings: { ...settings, objective: { name: 'mma', options: { steps: 0.5 } } } })).toThrow(
      /steps/,
    );
    expect(refused({ settings: { ...settings, lr: -1 } })).toThrow(/-1/);
    expect(device.memory().tensors).toBe(before);

    const { run } = begun();
    run.prepare(device);
    const file = encodeRun(await run.kept(device));
    const other = { ...images, facts: { ...images.facts, digest: 'other' } };
    expect(() => TrainingRun.kept(decodeRun(file, 'run'), other, () => Promise.resolve())).toThrow(/bring them first/);
    const { tensors, metadata } = decodeSafetensors(file, 'run');
    const broken = (playground: string): Uint8Array<ArrayBuffer> =>
      encodeSafetensors(tensors, { ...metadata, playground });
    for (const bytes of [
      file.slice(0, 100),
      file.slice(0, -1),
      broken('{'),
      broken('{}'),
      broken('7'),
      broken('null'),
    ]) {
      expect(() => decodeRun(bytes, 'run')).toThrow(FormatError);
    }
    run.dispose();
  });
});
