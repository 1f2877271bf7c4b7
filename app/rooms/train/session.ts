/** What the train room remembers while the page lasts: the settings, the run and its curves. */
import { batch, signal } from '@preact/signals';
import { proxy, wrap, type Remote } from 'comlink';
import { namedBytes } from '../../../data/named-bytes.js';
import { addOwnModel } from '../../own-models.js';
import { save } from '../../save-file.js';
import { sentenceOf } from '../../sentence.js';
import { NO_CURVES, withSteps, type Curves, type Logged, type Measured } from './curves.js';
import { discardRun, keptRun, type KeptRun } from './run-store.js';
import { DEFAULTS, type ObjectiveChoice, type TrainSettings } from './settings.js';
import type { TrainService, TrainStart, TrainUpdate } from './train-worker.js';

/** How a run stands. */
export type RunState = 'none' | 'starting' | 'running' | 'pausing' | 'paused' | 'finished';

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
/** A run of an earlier visit that may go on. */
export const kept = signal<KeptRun | undefined>(undefined);
/** The last measurement that was asked for. */
export const finding = signal<Measured | 'measuring' | undefined>(undefined);
/** The weights to begin with, where a model was dropped. */
export const weights = signal<{ readonly name: string; readonly bytes: Uint8Array } | undefined>(undefined);

const service: Promise<Remote<TrainService>> = new (wrap<typeof TrainService>(
  new Worker(new URL('train-worker.ts', import.meta.url), { type: 'module', name: 'train' }),
))(document.baseURI);

void keptRun().then((run) => {
  if (run && run.step < run.settings.steps) kept.value = run;
});

/** Begins a run with the settings as they are. */
export async function begin(): Promise<void> {
  const { bytes } = weights.value ?? {};
  await start(settings.value, { weights: bytes });
}

/** Goes on with the run of an earlier visit. */
export async function goOn(): Promise<void> {
  const run = kept.value;
  if (!run) return;
  settings.value = run.settings;
  await start(run.settings, { checkpoint: run.checkpoint, curves: run.curves }, run.step);
}

/** Forgets the run of an earlier visit. */
export async function forget(): Promise<void> {
  kept.value = undefined;
  await discardRun();
}

async function start(chosen: TrainSettings, from: TrainStart, at = 0): Promise<void> {
  batch(() => {
    state.value = 'starting';
    kept.value = undefined;
    curves.value = from.curves ?? NO_CURVES;
    step.value = at;
    notes.value = [];
    problem.value = undefined;
    finding.value = undefined;
  });
  try {
    const remote = await service;
    await remote.prepare(chosen, from);
  } catch (error) {
    fail(error);
    return;
  }
  await resume();
}

/** Trains on, after `pause` too. */
export async function resume(): Promise<void> {
  state.value = 'running';
  try {
    const remote = await service;
    const isOver = await remote.advance(proxy(take));
    state.value = isOver ? 'finished' : 'paused';
    addOwnModel({
      title: `trained here, ${settings.value.objective.name}, step ${step.value}`,
      bytes: await remote.modelFile(),
    });
  } catch (error) {
    fail(error);
  }
}

/** Ends the run after the step at hand, for now. */
export async function pause(): Promise<void> {
  state.value = 'pausing';
  await (await service).pause();
}

/** Changes options of the objective, in a run as it goes. */
export async function change(objective: ObjectiveChoice): Promise<void> {
  settings.value = { ...settings.value, objective };
  if (state.value !== 'none' && state.value !== 'finished') await (await service).change(objective);
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
export async function download(what: 'model' | 'checkpoint'): Promise<void> {
  const remote = await service;
  const bytes = what === 'model' ? await remote.modelFile() : await remote.checkpointFile();
  save(new Blob([bytes], { type: 'application/octet-stream' }), `${what}.safetensors`);
}

/**
 * Learns from IDX files, or again from the images of the page.
 *
 * @throws Error in a sentence where they are refused; what was there stays
 */
export async function useData(files: readonly File[] | undefined): Promise<void> {
  const { train, test } = await (await service).useData(files && (await namedBytes(files)));
  const count = (value: number): string => value.toLocaleString('en');
  data.value = files
    ? `${count(train)} images of your own, measured on ${count(test)}`
    : `${count(train)} images of MNIST, which this page ships`;
}

/**
 * Begins from a model's weights.
 *
 * @throws Error in a sentence where the file is refused; what was there stays
 */
export async function useWeights(file: File): Promise<void> {
  const bytes = new Uint8Array(await file.arrayBuffer());
  const width = await (await service).widthOf(bytes, file.name);
  weights.value = { name: file.name, bytes };
  settings.value = { ...settings.value, width };
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

function fail(error: unknown): void {
  problem.value = sentenceOf(error);
  state.value = 'none';
  void keptRun().then((run) => {
    if (run && run.step < run.settings.steps) kept.value = run;
  });
}
