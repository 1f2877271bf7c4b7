/** What the train room remembers while the page lasts: the settings, the run and its curves. */
import { batch, computed, signal } from '@preact/signals';
import { proxy, wrap, type Remote } from 'comlink';
import type { NamedBytes } from '../../../data/gzip.js';
import { bytesOfFile, namedBytes } from '../../../data/named-bytes.js';
import { addOwnModel } from '../../own-models.js';
import { save } from '../../save-file.js';
import { sentenceOf } from '../../sentence.js';
import { LARGEST_IMAGES, LARGEST_MODEL, checkSize } from '../../size-limit.js';
import { NO_CURVES, withSteps, type Curves, type Logged, type Measured } from './curves.js';
import { checkCount } from './file-count.js';
import { discardRun, keptRun, type KeptRun } from './run-store.js';
import { DEFAULTS, type ObjectiveChoice, type TrainSettings } from './settings.js';
import { SHIPPED } from './shipped.js';
import type { TrainService } from './train-worker.js';
import type { TrainUpdate } from './training-run.js';

/** How a run stands. */
export type RunState = 'none' | 'starting' | 'running' | 'pausing' | 'paused' | 'finished';

/** The weights that the next run begins with. */
export interface Weights extends NamedBytes {
  /** Of their network: that of the settings does not count then. */
  readonly width: number;
}

export const settings = signal<TrainSettings>(DEFAULTS);
export const state = signal<RunState>('none');
export const curves = signal<Curves>(NO_CURVES);
export const step = signal(0);
export const imagesPerSecond = signal<number | undefined>(undefined);
export const secondsLeft = signal<number | undefined>(undefined);
/** What happened, in sentences, newest last. */
export const notes = signal<readonly string[]>([]);
export const problem = signal<string | undefined>(undefined);
/** What is learned from, in words. */
export const data = signal('5,000 images of MNIST, which this page ships');
/** A run of an earlier visit, or of a file, that may go on. */
export const kept = signal<{ readonly run: KeptRun; readonly file?: string } | undefined>(undefined);
/** The last measurement that was asked for. */
export const finding = signal<Measured | 'measuring' | undefined>(undefined);
export const weights = signal<Weights | undefined>(undefined);

/** Whether the model is being measured because someone asked: it is not to be trained then. */
export const isMeasuring = computed(() => finding.value === 'measuring');
/** Whether a run may be begun, and files brought for it. */
export const isIdle = computed(() => (state.value === 'none' || state.value === 'finished') && !isMeasuring.value);

const service: Promise<Remote<TrainService>> = new (wrap<typeof TrainService>(
  new Worker(new URL('train-worker.ts', import.meta.url), { type: 'module', name: 'train' }),
))(document.baseURI);

void offerKeptRun();

async function offerKeptRun(): Promise<void> {
  const run = await keptRun();
  if (run && run.step < run.settings.steps) kept.value = { run };
}

/** Begins a run with the settings as they are. */
export async function begin(): Promise<void> {
  const { value: chosen } = settings;
  await start(async (remote) => {
    await remote.begin(chosen, weights.value);
    return { settings: chosen, curves: NO_CURVES, notes: [], step: 0 };
  });
}

/** Goes on with the run of an earlier visit, or of a file. */
export async function goOn(): Promise<void> {
  const run = kept.value?.run;
  if (!run) return;
  await start(async (remote) => {
    if (run.images.digest === SHIPPED) await useImages(undefined);
    await remote.goOn(run);
    return run;
  });
}

/** Forgets the run of an earlier visit, or of a file. */
export async function forget(): Promise<void> {
  const isOfFile = kept.value?.file !== undefined;
  kept.value = undefined;
  if (!isOfFile) await discardRun();
}

/** Has a run made, which gives how it stands, and trains it; where it cannot be made, all is as it was. */
async function start(
  make: (remote: Remote<TrainService>) => Promise<Pick<KeptRun, 'settings' | 'curves' | 'notes' | 'step'>>,
): Promise<void> {
  const { value: before } = state;
  state.value = 'starting';
  problem.value = undefined;
  try {
    const made = await make(await service);
    batch(() => {
      settings.value = made.settings;
      curves.value = made.curves;
      notes.value = made.notes;
      step.value = made.step;
      for (const old of [kept, finding, imagesPerSecond, secondsLeft]) old.value = undefined;
    });
  } catch (error) {
    problem.value = sentenceOf(error);
    state.value = before;
    return;
  }
  await resume();
}

/** Trains on, after `pause` too. */
export async function resume(): Promise<void> {
  state.value = 'running';
  problem.value = undefined;
  try {
    const remote = await service;
    const isOver = await remote.advance(proxy(take));
    state.value = isOver ? 'finished' : 'paused';
    addOwnModel({
      title: `trained here, ${settings.value.objective.name}, step ${step.value}`,
      bytes: await remote.modelFile(),
    });
  } catch (error) {
    problem.value = sentenceOf(error);
    state.value = 'none';
    await offerKeptRun();
  }
}

/** Ends the run after the step at hand, for now. */
export async function pause(): Promise<void> {
  state.value = 'pausing';
  await (await service).pause();
}

/** Changes options of the objective, in a run as it goes. Those that it refuses are taken back. */
export async function change(objective: ObjectiveChoice): Promise<void> {
  const { objective: before } = settings.value;
  settings.value = { ...settings.value, objective };
  if (isIdle.value) return;
  try {
    await (await service).change(objective);
    problem.value = undefined;
  } catch (error) {
    problem.value = sentenceOf(error);
    settings.value = { ...settings.value, objective: before };
  }
}

/** Measures the model on the first `count` test images. */
export async function measure(count: number): Promise<void> {
  finding.value = 'measuring';
  try {
    finding.value = await (await service).measure(count);
  } catch (error) {
    finding.value = undefined;
    problem.value = sentenceOf(error);
  }
}

/** Hands a file out: the model, or the whole run. */
export async function download(what: 'model' | 'run'): Promise<void> {
  try {
    const remote = await service;
    const bytes = what === 'model' ? await remote.modelFile() : await remote.runFile();
    save(new Blob([bytes], { type: 'application/octet-stream' }), `${what}.safetensors`);
  } catch (error) {
    problem.value = sentenceOf(error);
  }
}

/** Learns from the images of the page again. */
export async function takePageImages(): Promise<void> {
  try {
    await useImages(undefined);
  } catch (error) {
    problem.value = sentenceOf(error);
  }
}

/**
 * Learns from IDX files, or again from the images of the page.
 *
 * @throws Error in a sentence where they are refused; what was there stays
 */
export async function useImages(files: readonly File[] | undefined): Promise<void> {
  if (files) checkCount(files.length);
  for (const file of files ?? []) checkSize(file, LARGEST_IMAGES);
  const { train, test } = await (await service).useImages(files && (await namedBytes(files)));
  const count = (value: number): string => value.toLocaleString('en');
  data.value = files
    ? `${count(train)} images of your own, measured on ${count(test)}`
    : `${count(train)} images of MNIST, which this page ships`;
}

/**
 * Takes a model's file, whose weights the next run begins with, or that of a run to go on with.
 *
 * @throws Error in a sentence where the file is refused; what was there stays
 */
export async function takeFile(file: File): Promise<void> {
  checkSize(file, LARGEST_MODEL);
  const named = await bytesOfFile(file);
  const found = await (await service).look(named);
  if (found.kind === 'run') kept.value = { run: found.run, file: file.name };
  else weights.value = { ...named, width: found.width };
}

let waiting: Logged[] = [];
let later: ReturnType<typeof setTimeout> | undefined;

/** Draws at most so often, in milliseconds: charts take time that the page needs. */
const BETWEEN_DRAWINGS = 400;

function take(update: TrainUpdate): void {
  if (update.curves) {
    waiting = [];
    curves.value = update.curves;
  }
  waiting.push(...update.logged);
  batch(() => {
    const { measured, note } = update;
    step.value = update.step;
    if (measured) curves.value = { ...drawn(), measured: [...curves.value.measured, measured] };
    if (note !== undefined) notes.value = [...notes.value, note];
    imagesPerSecond.value = update.imagesPerSecond ?? imagesPerSecond.value;
    secondsLeft.value = update.secondsLeft ?? secondsLeft.value;
  });
  later ??= setTimeout(() => {
    later = undefined;
    curves.value = drawn();
  }, BETWEEN_DRAWINGS);
}

/** The curves with what came since the last drawing. */
function drawn(): Curves {
  const all = withSteps(curves.value, waiting);
  waiting = [];
  return all;
}
