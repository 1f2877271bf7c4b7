/** Training for the room, in a worker with a device of its own, so that the page never waits. */
import { expose } from 'comlink';
import {
  DivergenceError,
  decodeTrainingCheckpoint,
  encodeTrainingCheckpoint,
  evaluate,
  type Trainer,
  type TrainingCheckpoint,
} from '../../../adversarial/index.js';
import { pgd20 } from '../../../adversarial/presets/attacks.js';
import type { NamedBytes } from '../../../data/gzip.js';
import type { Device } from '../../../engine/device.js';
import { ArgumentError, DeviceLostError } from '../../../engine/errors.js';
import { modelDescriptionOf, modelMetadata } from '../../../nn/model-file.js';
import type { Module } from '../../../nn/module.js';
import { decodeSafetensors, encodeSafetensors } from '../../../nn/safetensors.js';
import { saveStateDict } from '../../../nn/state-dict.js';
import { shippedMnist } from '../../shipped-mnist.js';
import { ModelShelf } from '../../worker/model-shelf.js';
import { openDevice } from '../../worker/open-device.js';
import { NO_CURVES, upTo, withSteps, type Curves, type Logged, type Measured } from './curves.js';
import { ownData, type Halves } from './own-data.js';
import { keepRun } from './run-store.js';
import { descriptionOf, makeModel, makeTrainer, type ObjectiveChoice, type TrainSettings } from './settings.js';

/** Steps between two checkpoints that are kept. */
const KEEP_EVERY = 20;

/** Devices that may be lost in a run. */
const LOSSES = 3;

/** The name under which `bulwark evaluate` has the same attack. */
const MEASURED_BY = 'pgd-20';

/** What the page is told while a run goes on: only what is new. */
export interface TrainUpdate {
  readonly logged: readonly Logged[];
  readonly measured?: Measured | undefined;
  readonly step: number;
  readonly imagesPerSecond?: number;
  readonly secondsLeft?: number;
  /** Something that happened, in a sentence. */
  readonly note?: string;
  /** The curves anew, where the run was taken back. */
  readonly curves?: Curves;
}

/** What a run begins with, beside its settings. */
export interface TrainStart {
  /** A training checkpoint to go on from, with what was drawn until then. */
  readonly checkpoint?: Uint8Array | undefined;
  readonly curves?: Curves | undefined;
  /** A model's safetensors file, whose weights the run begins with. */
  readonly weights?: Uint8Array | undefined;
}

/** One run at a time. */
export class TrainService {
  #device: Device | undefined;
  #data: Halves | undefined;
  #isShipped = true;
  #settings: TrainSettings | undefined;
  #model: Module | undefined;
  #trainer: Trainer | undefined;
  #curves: Curves = NO_CURVES;
  #last: TrainingCheckpoint | undefined;
  #ending: AbortController | undefined;
  /** What the page wants at the next step. */
  #wish: 'pause' | ObjectiveChoice | undefined;

  /**
   * @param page the page's address, which the files that it ships are relative to
   */
  constructor(private readonly page: string) {}

  /** Learns from the images of the page from now on, or from IDX files; where these are refused, with a sentence, nothing changes. */
  async useData(files: readonly NamedBytes[] | undefined): Promise<{ readonly train: number; readonly test: number }> {
    const data = files
      ? await ownData(files)
      : { train: await shippedMnist('train', this.page), test: await shippedMnist('test', this.page) };
    this.#data = data;
    this.#isShipped = files === undefined;
    return { train: data.train.size, test: data.test.size };
  }

  /** Checks a model's file to begin with; gives the width of the network, the one setting that it settles. */
  async widthOf(bytes: Uint8Array, name: string): Promise<number> {
    const { name: kind, options } = modelDescriptionOf({ ...decodeSafetensors(bytes, name), path: name });
    const width = options['width'];
    if (kind !== 'cnn4' || typeof width !== 'number') {
      throw new ArgumentError(`${name}: is of a ${kind}; this room trains the network cnn4.`);
    }
    new ModelShelf().add(name, bytes, await this.#open()).dispose();
    return width;
  }

  /** Makes everything ready for a run; `advance` then trains. */
  async prepare(settings: TrainSettings, start: TrainStart = {}): Promise<void> {
    this.#free();
    this.#settings = settings;
    this.#last = start.checkpoint && decodeTrainingCheckpoint(start.checkpoint, 'the checkpoint');
    this.#curves = start.curves ?? NO_CURVES;
    await this.#build(start.weights);
  }

  /**
   * Trains until the end of the run or `pause`, telling what happens. Gives whether the run is over.
   *
   * @throws DivergenceError where a number is no longer finite, DeviceLostError where too many devices were lost
   */
  async advance(tell: (update: TrainUpdate) => void): Promise<boolean> {
    for (let losses = 0; ;) {
      try {
        return await this.#advance(tell);
      } catch (error) {
        if (!(error instanceof DeviceLostError) || ++losses > LOSSES) throw error;
        this.#device = undefined;
        const step = this.#last?.step ?? 0;
        this.#curves = upTo(this.#curves, step);
        await this.#build();
        const note = `The adapter was lost; the run goes on from step ${step}.`;
        tell({ logged: [], step, note, curves: this.#curves });
      }
    }
  }

  /** Ends `advance` after the step at hand. */
  pause(): void {
    this.#wish = 'pause';
    this.#ending?.abort();
  }

  /** Other options of the objective, from the next step on. */
  change(objective: ObjectiveChoice): void {
    this.#wish = objective;
    this.#ending?.abort();
  }

  /** How many of the first `count` test images the model is right on, as they are and after PGD with 20 steps. */
  async measure(count: number): Promise<Measured> {
    const { settings, model, data } = this.#here();
    const { eps } = settings;
    const test = data.test.take(Math.min(count, data.test.size));
    const { natural, attacks } = await evaluate(model, test, {
      attacks: { [MEASURED_BY]: pgd20(eps) },
      examples: 0,
      worst: 0,
    });
    const { [MEASURED_BY]: pgd } = attacks;
    return {
      ...{ step: this.#trainer?.step ?? 0, images: test.size },
      natural: natural.accuracy.count,
      robust: pgd?.accuracy.count ?? 0,
      joint: pgd?.joint.distribution.flat() ?? [],
      mutualInformation: pgd?.joint.mutualInformation ?? 0,
    };
  }

  /** The model as a safetensors file, which says what it is of: for `bulwark evaluate`, and for the other rooms. */
  async modelFile(): Promise<Uint8Array<ArrayBuffer>> {
    const { settings, model } = this.#here();
    return encodeSafetensors(await saveStateDict(model), {
      ...modelMetadata(descriptionOf(settings)),
      ...{ dataset: 'mnist', objective: settings.objective.name },
      ...{ eps: String(settings.eps), seed: String(settings.seed) },
    });
  }

  /** The whole run, to go on from. */
  async checkpointFile(): Promise<Uint8Array<ArrayBuffer>> {
    return encodeTrainingCheckpoint(await this.#here().trainer.checkpoint());
  }

  async #advance(tell: (update: TrainUpdate) => void): Promise<boolean> {
    if (this.#curves.measured.length === 0) await this.#measureNow(tell);
    for (;;) {
      const { settings, trainer } = this.#here();
      const wish = this.#wish;
      this.#wish = undefined;
      if (trainer.step >= trainer.steps) return true;
      if (wish === 'pause') {
        await this.#measureNow(tell);
        return false;
      }
      if (wish) {
        await this.#learnBy(wish, tell);
        continue;
      }
      this.#ending = new AbortController();
      const { measureEvery } = settings;
      const until = Math.min(trainer.steps, (Math.floor(trainer.step / measureEvery) + 1) * measureEvery);
      try {
        await trainer.run({
          ...{ until, signal: this.#ending.signal, checkpointEvery: KEEP_EVERY },
          onProgress: ({ records, step, stepsPerSecond, secondsLeft }) => {
            const logged = records.map(({ step: at, metrics, maxima }) => ({ step: at, metrics, maxima }));
            this.#curves = withSteps(this.#curves, logged);
            tell({ logged, step, imagesPerSecond: stepsPerSecond * settings.batchSize, secondsLeft });
          },
          onCheckpoint: () => this.#keep(),
          onWarning: (note) => tell({ logged: [], step: trainer.step, note }),
        });
      } catch (error) {
        if (error instanceof DivergenceError) throw new Error(`${error.message}; or go on from the last checkpoint.`);
        if (!this.#ending.signal.aborted) throw error;
        continue;
      }
      await this.#measureNow(tell);
    }
  }

  /** Goes on under another objective: the same parameters, momentum and place in the data. */
  async #learnBy(objective: ObjectiveChoice, tell: (update: TrainUpdate) => void): Promise<void> {
    const { settings, trainer, data, model } = this.#here();
    this.#settings = { ...settings, objective };
    const from = await trainer.checkpoint();
    trainer.dispose();
    this.#trainer = makeTrainer(this.#settings, { model, dataset: data.train, from });
    const options = Object.entries(objective.options).map(([name, value]) => `${name} ${value}`);
    tell({ logged: [], step: from.step, note: `From step ${from.step + 1} on: ${options.join(', ')}.` });
  }

  async #measureNow(tell: (update: TrainUpdate) => void): Promise<void> {
    const measured = await this.measure(this.#here().settings.measureOn);
    this.#curves = { ...this.#curves, measured: [...this.#curves.measured, measured] };
    tell({ logged: [], measured, step: measured.step });
    await this.#keep();
  }

  /** Keeps the run in the browser: a page that is loaded again goes on from here. */
  async #keep(): Promise<void> {
    const { settings, trainer } = this.#here();
    this.#last = await trainer.checkpoint();
    const checkpoint = encodeTrainingCheckpoint(this.#last);
    const run = { settings, curves: this.#curves, checkpoint, step: trainer.step, isShipped: this.#isShipped };
    // A browser that keeps nothing is no reason to stop.
    await keepRun(run).catch(() => undefined);
  }

  async #open(): Promise<Device> {
    this.#device ??= await openDevice();
    return this.#device;
  }

  /** The model and the trainer on the device that there is, where the last checkpoint has them. */
  async #build(weights?: Uint8Array): Promise<void> {
    const settings = this.#settings;
    if (!settings) throw new Error('no run is set up');
    if (!this.#data) await this.useData(undefined);
    const data = this.#data;
    if (!data) throw new Error('there are no images to learn from');
    const device = await this.#open();
    this.#model = weights ? new ModelShelf().add('the model', weights, device) : makeModel(settings, device);
    const from = this.#last;
    this.#trainer = makeTrainer(settings, { model: this.#model, dataset: data.train, ...(from && { from }) });
  }

  #here(): { settings: TrainSettings; model: Module; trainer: Trainer; data: Halves } {
    const [settings, model, trainer, data] = [this.#settings, this.#model, this.#trainer, this.#data];
    if (!settings || !model || !trainer || !data) throw new Error('no run is set up');
    return { settings, model, trainer, data };
  }

  #free(): void {
    this.#trainer?.dispose();
    this.#model?.dispose();
    [this.#trainer, this.#model] = [undefined, undefined];
  }
}

expose(TrainService);
