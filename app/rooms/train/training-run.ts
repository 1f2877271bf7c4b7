import {
  DivergenceError,
  decodeTrainingCheckpoint,
  encodeTrainingCheckpoint,
  evaluate,
  type Trainer,
  type TrainingCheckpoint,
  type TrainingProgress,
} from '../../../adversarial/index.js';
import { pgd20 } from '../../../adversarial/presets/attacks.js';
import { partOf } from '../../../adversarial/training-checkpoint.js';
import type { Device } from '../../../engine/device.js';
import {
  modelDescriptionOf,
  modelMetadata,
  modelOfFile,
  type ModelDescription,
  type ModelFile,
} from '../../../nn/model-file.js';
import { modelNamed, seededSource } from '../../../nn/models/registry.js';
import type { Module } from '../../../nn/module.js';
import { encodeSafetensors } from '../../../nn/safetensors.js';
import { saveStateDict } from '../../../nn/state-dict.js';
import { NO_CURVES, upTo, withSteps, type Curves, type Logged, type Measured } from './curves.js';
import { checkSameImages, type Images } from './images.js';
import type { KeptRun } from './run-store.js';
import { checkObjective, descriptionOf, makeTrainer, type ObjectiveChoice, type TrainSettings } from './settings.js';

/** Between two checkpoints that are kept, in milliseconds: about what a page that is closed loses. */
const KEEP_EVERY = 5000;

/** Between two times that the page is told how it goes, in milliseconds. */
const TELL_EVERY = 200;

/** The name under which `bulwark evaluate` has the same attack. */
const MEASURED_BY = 'pgd-20';

/** What the page is told while a run goes on: only what is new. */
export interface TrainUpdate {
  readonly step: number;
  readonly logged: readonly Logged[];
  readonly measured?: Measured;
  readonly imagesPerSecond?: number;
  readonly secondsLeft?: number;
  /** Something that happened, in a sentence. */
  readonly note?: string;
  /** The curves anew, where the run was taken back. */
  readonly curves?: Curves;
}

/** What a run begins with. */
export interface Beginning {
  readonly settings: TrainSettings;
  readonly images: Images;
  /** A model's file, whose network and weights are learned from there on; the network of the settings, at random, without it. */
  readonly weights?: ModelFile | undefined;
}

/** Where a run is kept, so that another page can go on from there. */
export type Keep = (run: KeptRun) => Promise<void>;

/** A run of the room. It outlives its device: on another one it goes on from where it was last kept. */
export class TrainingRun {
  readonly #images: Images;
  readonly #keep: Keep;
  readonly #description: ModelDescription;
  #settings: TrainSettings;
  #weights: ModelFile | undefined;
  #last: TrainingCheckpoint | undefined;
  #curves: Curves = NO_CURVES;
  #notes: readonly string[] = [];
  #on: { readonly device: Device; readonly model: Module; trainer: Trainer } | undefined;
  #ending: AbortController | undefined;
  #isToPause = false;
  #nextObjective: ObjectiveChoice | undefined;
  /** What the page was not told yet. */
  #untold: Logged[] = [];
  #toldAt = 0;
  #keptAt = 0;

  private constructor(settings: TrainSettings, images: Images, description: ModelDescription, keep: Keep) {
    [this.#settings, this.#images, this.#description, this.#keep] = [settings, images, description, keep];
  }

  /** A run at its beginning. Throws a `FormatError` where the file does not say of which network it is. */
  static beginning({ settings, images, weights }: Beginning, keep: Keep): TrainingRun {
    const description = weights ? modelDescriptionOf(weights) : descriptionOf(settings);
    const run = new TrainingRun(settings, images, description, keep);
    run.#weights = weights;
    return run;
  }

  /** A run that was kept, to go on. Throws a sentence where it learned from other images. */
  static kept(
    { settings, model, curves, notes, checkpoint, ...run }: KeptRun,
    images: Images,
    keep: Keep,
  ): TrainingRun {
    checkSameImages(run.images, images);
    const resumed = new TrainingRun(settings, images, model, keep);
    resumed.#last = decodeTrainingCheckpoint(checkpoint, 'the run');
    [resumed.#curves, resumed.#notes] = [curves, notes];
    return resumed;
  }

  /**
   * Sees to it that the run stands on this device.
   *
   * @throws ArgumentError for settings outside their domain, StateDictError where a file is not of its network
   */
  prepare(device: Device): void {
    this.#here(device);
  }

  /**
   * Trains until the end of the run or `pause`, telling what happens. Gives whether the run is over. Called again after the device was
   * lost, on another one, it goes on from where the run was last kept.
   *
   * @throws DivergenceError where a number is no longer finite
   */
  async advance(device: Device, tell: (update: TrainUpdate) => void): Promise<boolean> {
    this.#rebuild(device, tell);
    if (this.#curves.measured.length === 0) await this.#measureNow(device, tell);
    for (;;) {
      const { trainer } = this.#here(device);
      if (trainer.step >= trainer.steps) return true;
      // What is wanted is wanted until it is done: a device that is lost on the way does not take it back.
      const objective = this.#nextObjective;
      if (objective) {
        await this.#learnBy(objective, device, tell);
      } else if (this.#isToPause) {
        await this.#measureNow(device, tell);
        this.#isToPause = false;
        return false;
      } else if (await this.#train(device, tell)) await this.#measureNow(device, tell);
    }
  }

  /** Ends `advance` after the step at hand. */
  pause(): void {
    this.#isToPause = true;
    this.#ending?.abort();
  }

  /**
   * Other options of the objective, from the next step on.
   *
   * @throws ArgumentError for options that the objective refuses; the run then goes on as it was
   */
  change(objective: ObjectiveChoice): void {
    checkObjective({ ...this.#settings, objective });
    this.#nextObjective = objective;
    this.#ending?.abort();
  }

  /** How many of the first `count` test images the model is right on, as they are and after PGD with 20 steps. */
  async measure(device: Device, count: number): Promise<Measured> {
    const { model, trainer } = this.#here(device);
    const test = this.#images.test.take(Math.min(count, this.#images.test.size));
    const { natural, attacks } = await evaluate(model, test, {
      attacks: { [MEASURED_BY]: pgd20(this.#settings.eps) },
      examples: 0,
      worst: 0,
    });
    const { [MEASURED_BY]: pgd } = attacks;
    return {
      ...{ step: trainer.step, images: test.size },
      natural: natural.accuracy.count,
      robust: pgd?.accuracy.count ?? 0,
      joint: pgd?.joint.distribution.flat() ?? [],
      mutualInformation: pgd?.joint.mutualInformation ?? 0,
    };
  }

  /** The model as a safetensors file, which says what it is of: for `bulwark evaluate`, and for the other rooms. */
  async modelFile(device: Device): Promise<Uint8Array<ArrayBuffer>> {
    const { objective, eps, seed } = this.#settings;
    return encodeSafetensors(await saveStateDict(this.#here(device).model), {
      ...modelMetadata(this.#description),
      ...{ dataset: 'mnist', objective: objective.name, eps: String(eps), seed: String(seed) },
    });
  }

  /** The whole run, to go on from. */
  async kept(device: Device): Promise<KeptRun> {
    this.#last = await this.#here(device).trainer.checkpoint();
    const { step } = this.#last;
    const next = this.#nextObjective;
    return {
      // A change that awaits the next step counts from there on.
      settings: next ? { ...this.#settings, objective: next } : this.#settings,
      model: this.#description,
      images: this.#images.facts,
      curves: this.#curves,
      notes: next ? [...this.#notes, changeNote(next, step)] : this.#notes,
      step,
      checkpoint: encodeTrainingCheckpoint(this.#last),
    };
  }

  /** Frees what the run has on its device. */
  dispose(): void {
    this.#on?.trainer.dispose();
    this.#on?.model.dispose();
    this.#on = undefined;
  }

  /** Trains to the next measurement. Gives whether it came so far, or something else is wanted first. */
  async #train(device: Device, tell: (update: TrainUpdate) => void): Promise<boolean> {
    const { trainer } = this.#here(device);
    const { measureEvery } = this.#settings;
    const ending = new AbortController();
    this.#ending = ending;
    try {
      await trainer.run({
        until: Math.min(trainer.steps, (Math.floor(trainer.step / measureEvery) + 1) * measureEvery),
        signal: ending.signal,
        onProgress: (progress) => this.#note(progress, device, tell),
        onWarning: (note) => this.#say(note, tell),
      });
      return true;
    } catch (error) {
      if (error instanceof DivergenceError) throw new Error(`${error.message}; or go on from the last checkpoint.`);
      if (!ending.signal.aborted) throw error;
      return false;
    }
  }

  async #note(
    { records, step, steps, stepsPerSecond }: TrainingProgress,
    device: Device,
    tell: (update: TrainUpdate) => void,
  ): Promise<void> {
    const logged = records.map(({ step: at, metrics, maxima }) => ({ step: at, metrics, maxima }));
    this.#curves = withSteps(this.#curves, logged);
    this.#untold.push(...logged);
    const now = performance.now();
    if (now - this.#toldAt >= TELL_EVERY) {
      this.#toldAt = now;
      const imagesPerSecond = stepsPerSecond * this.#settings.batchSize;
      const secondsLeft = (steps - step) / stepsPerSecond;
      tell({ step, logged: this.#untold.splice(0), imagesPerSecond, secondsLeft });
    }
    if (now - this.#keptAt >= KEEP_EVERY) await this.#keepNow(device);
  }

  /** Goes on under another objective: the same parameters, momentum and place in the data. */
  async #learnBy(objective: ObjectiveChoice, device: Device, tell: (update: TrainUpdate) => void): Promise<void> {
    const on = this.#here(device);
    const settings = { ...this.#settings, objective };
    const from = await on.trainer.checkpoint();
    const next = makeTrainer(settings, { model: on.model, dataset: this.#images.train, from });
    on.trainer.dispose();
    [on.trainer, this.#settings] = [next, settings];
    if (this.#nextObjective === objective) this.#nextObjective = undefined;
    this.#say(changeNote(objective, from.step), tell);
    await this.#keepNow(device);
  }

  async #measureNow(device: Device, tell: (update: TrainUpdate) => void): Promise<void> {
    const measured = await this.measure(device, this.#settings.measureOn);
    this.#curves = { ...this.#curves, measured: [...this.#curves.measured, measured] };
    tell({ step: measured.step, logged: this.#untold.splice(0), measured });
    await this.#keepNow(device);
  }

  #say(note: string, tell: (update: TrainUpdate) => void): void {
    this.#notes = [...this.#notes, note];
    tell({ step: this.#on?.trainer.step ?? 0, logged: this.#untold.splice(0), note });
  }

  /** Keeps the run in the browser: a page that is loaded again goes on from here. */
  async #keepNow(device: Device): Promise<void> {
    const run = await this.kept(device);
    // A browser that keeps nothing is no reason to stop.
    await this.#keep(run).catch(() => undefined);
    this.#keptAt = performance.now();
  }

  /** Stands on another device where the one before was lost: as the run was kept last. */
  #rebuild(device: Device, tell: (update: TrainUpdate) => void): void {
    const before = this.#on;
    if (!before || before.device === device) return;
    const step = this.#last?.step ?? 0;
    this.#untold = [];
    this.#curves = upTo(this.#curves, step);
    this.#here(device);
    tell({ step, logged: [], curves: this.#curves });
    this.#say(`The adapter was lost; the run goes on from step ${step}.`, tell);
  }

  /** The model and the trainer on this device, built where there are none yet. */
  #here(device: Device): { readonly model: Module; trainer: Trainer } {
    if (this.#on?.device === device) return this.#on;
    const model = this.#build(device).train();
    try {
      const trainer = makeTrainer(this.#settings, { model, dataset: this.#images.train, from: this.#last });
      // What the device before had went with it.
      this.#on = { device, model, trainer };
      return this.#on;
    } catch (error) {
      model.dispose();
      throw error;
    }
  }

  /** The network with the weights of the last checkpoint, of the file, or of the seed. */
  #build(device: Device): Module {
    const source = seededSource(device, this.#settings.seed);
    const kept = this.#last && { path: 'the run', tensors: partOf(this.#last.tensors, 'model'), metadata: {} };
    const file = kept ?? this.#weights;
    if (file) return modelOfFile(file, this.#description, source);
    const { name, ...rest } = this.#description;
    return modelNamed(name, { ...rest, ...source });
  }
}

/** What is said of other options that count after a step. */
function changeNote({ options }: ObjectiveChoice, step: number): string {
  const values = Object.entries(options).map(([name, value]) => `${name} ${value}`);
  return `From step ${step + 1} on: ${values.join(', ')}.`;
}
