/** Training for the room, in a worker with a device of its own, so that the page never waits. */
import { expose } from 'comlink';
import type { NamedBytes } from '../../../data/gzip.js';
import { FormatError } from '../../../engine/errors.js';
import { modelDescriptionOf } from '../../../nn/model-file.js';
import { decodeSafetensors } from '../../../nn/safetensors.js';
import { HeldDevice } from '../../worker/held-device.js';
import { ModelShelf } from '../../worker/model-shelf.js';
import { openDevice } from '../../worker/open-device.js';
import type { Measured } from './curves.js';
import { ownImages, shippedImages, type Images, type ImagesFacts } from './images.js';
import { decodeRun, encodeRun, isRun } from './run-file.js';
import { keepRun, type KeptRun } from './run-store.js';
import type { ObjectiveChoice, TrainSettings } from './settings.js';
import { TrainingRun, type TrainUpdate } from './training-run.js';

/** Devices that may be lost in a run. */
const LOSSES = 3;

/** What a file that was dropped has to begin with: weights of a network of this width, or a run to go on with. */
export type Found =
  { readonly kind: 'weights'; readonly width: number } | { readonly kind: 'run'; readonly run: KeptRun };

/** One run at a time. */
export class TrainService {
  readonly #held = new HeldDevice(openDevice, LOSSES);
  #images: Images | undefined;
  #run: TrainingRun | undefined;

  /**
   * @param page the page's address, which the files that it ships are relative to
   */
  constructor(private readonly page: string) {}

  /** Learns from the images of the page from now on, or from IDX files; where these are refused, with a sentence, nothing changes. */
  async useImages(files: readonly NamedBytes[] | undefined): Promise<ImagesFacts> {
    this.#images = files ? await ownImages(files) : await shippedImages(this.page);
    return this.#images.facts;
  }

  /** Looks into a file that a run is to begin with; throws a sentence for one that is no use. */
  async look({ name, bytes }: NamedBytes): Promise<Found> {
    const { metadata } = decodeSafetensors(bytes, name);
    if (isRun(metadata)) return { kind: 'run', run: decodeRun(bytes, name) };
    const { name: kind, options } = modelDescriptionOf({ path: name, metadata });
    const { width } = options;
    if (kind !== 'cnn4' || typeof width !== 'number') {
      throw new FormatError(`${name}: is of a ${kind}; this room trains the network cnn4.`);
    }
    await this.#held.use((device) => {
      new ModelShelf().add(name, bytes, device).dispose();
      return Promise.resolve();
    });
    return { kind: 'weights', width };
  }

  /** Makes a run with these settings, and the weights of a file if there is one; `advance` then trains. Where it throws, nothing changes. */
  async begin(settings: TrainSettings, weights?: NamedBytes): Promise<void> {
    const images = (this.#images ??= await shippedImages(this.page));
    const file = weights && { path: weights.name, ...decodeSafetensors(weights.bytes, weights.name) };
    await this.#take(TrainingRun.beginning({ settings, images, weights: file }, keepRun));
  }

  /** Makes a run that was kept the one to go on with. Where it throws, nothing changes. */
  async goOn(run: KeptRun): Promise<void> {
    const images = (this.#images ??= await shippedImages(this.page));
    await this.#take(TrainingRun.kept(run, images, keepRun));
  }

  /** Trains until the end of the run or `pause`, telling what happens; throws as `TrainingRun.advance` does. */
  advance(tell: (update: TrainUpdate) => void): Promise<boolean> {
    return this.#held.use((device) => this.#here.advance(device, tell));
  }

  /** Ends `advance` after the step at hand. */
  pause(): void {
    this.#here.pause();
  }

  /** Other options of the objective, from the next step on; throws a sentence where they are refused. */
  change(objective: ObjectiveChoice): void {
    this.#here.change(objective);
  }

  /** As `TrainingRun.measure`. */
  measure(count: number): Promise<Measured> {
    return this.#held.use((device) => this.#here.measure(device, count));
  }

  /** The model as a file. */
  modelFile(): Promise<Uint8Array<ArrayBuffer>> {
    return this.#held.use((device) => this.#here.modelFile(device));
  }

  /** The whole run as a file, which `look` takes. */
  runFile(): Promise<Uint8Array<ArrayBuffer>> {
    return this.#held.use(async (device) => encodeRun(await this.#here.kept(device)));
  }

  async #take(run: TrainingRun): Promise<void> {
    await this.#held.use((device) => {
      run.prepare(device);
      return Promise.resolve();
    });
    this.#run?.dispose();
    this.#run = run;
  }

  get #here(): TrainingRun {
    if (!this.#run) throw new Error('no run is set up');
    return this.#run;
  }
}

expose(TrainService);
