/** What the room Attack knows and does: kept while one visits other rooms. */
import { computed, effect, signal, untracked } from '@preact/signals';
import { GivenModels } from '../../given-models.js';
import { SHIPPED_MODELS } from '../../models.js';
import { addOwnModel, freeTitle } from '../../own-models.js';
import { roomWorker } from '../../room-worker.js';
import { sentenceOf } from '../../sentence.js';
import { LARGEST_MODEL, checkSize } from '../../size-limit.js';
import type { AttackWorker } from './attack-worker.js';
import { ATTACKS, type AttackName, type AttackRequest, type Outcome } from './attacks.js';
import type { ShippedDigit } from './first-of-each.js';
import { PAD, asMnist } from './drawing.js';

/** What is attacked. */
export interface Subject {
  /** As a sentence has it: 'the digit 7', 'what you drew'. */
  readonly name: string;
  readonly pixels: Float32Array;
  /** What it shows, where that is known. */
  readonly label: number | undefined;
}

/** The digits of the page's own, once they are there. */
export const digits = signal<readonly ShippedDigit[]>([]);
export const subject = signal<Subject | undefined>(undefined);
/** The drawing pad: PAD x PAD values; a new array after each change. */
export const pad = signal(new Float32Array(PAD * PAD));

export const attack = signal<AttackName>('pgd');
/** A little over the 0.2 that the robust model was trained for: there all ten digits fool the plain one. */
export const eps = signal(0.25);
export const steps = signal<number>(ATTACKS.pgd.steps);
/** The titles of the models side by side. */
export const sides = signal<readonly [string, string]>([SHIPPED_MODELS[0].title, SHIPPED_MODELS[1].title]);

/** The last attack that came to its end, with what it was asked. */
export const shown = signal<
  | {
      readonly subject: Subject;
      readonly request: AttackRequest;
      readonly titles: readonly string[];
      readonly outcomes: readonly Outcome[];
    }
  | undefined
>(undefined);
/** Whether an attack is under way, or about to be. */
export const busy = signal(true);
/** What went wrong, in a sentence. */
export const problem = signal<string | undefined>(undefined);

const wanted = computed(() => {
  const { value } = subject;
  if (!value) return undefined;
  const { pixels, label } = value;
  const request = { attack: attack.value, eps: eps.value, steps: steps.value, pixels, label };
  return { subject: value, titles: sides.value, request };
});

const remote = roomWorker<AttackWorker>(
  () => new Worker(new URL('./attack-worker.ts', import.meta.url), { type: 'module' }),
  (sentence) => {
    models.clear();
    problem.value = sentence;
    busy.value = false;
  },
);

const models = new GivenModels((title, bytes) => remote().addModel(title, bytes));

let started = false;

/** Loads what the page ships, and from then on attacks whenever something changes. Again after a failure. */
export async function start(): Promise<void> {
  if (digits.value.length === 0) {
    problem.value = undefined;
    try {
      digits.value = await remote().digits(document.baseURI);
    } catch (error) {
      problem.value = sentenceOf(error);
      busy.value = false;
      return;
    }
    const first = digits.value.find(({ label }) => label === FIRST);
    if (!subject.value && first) choose(first);
  }
  if (started) return;
  started = true;
  effect(() => {
    if (wanted.value) untracked(() => void catchUp());
  });
}

/** What one sees first. */
const FIRST = 3;

/** Attacks one of the page's digits from now on. */
export function choose({ label, pixels }: ShippedDigit): void {
  subject.value = { name: `the digit ${label}`, pixels, label };
}

let catching = false;

/** Attacks until what is shown is what was asked for last. What was asked for in between is left out. */
export async function catchUp(): Promise<void> {
  if (catching) return;
  catching = true;
  busy.value = true;
  try {
    for (let next = wanted.value; next; next = wanted.value === next ? undefined : wanted.value) {
      try {
        await Promise.all(next.titles.map((title) => models.give(title)));
        const outcomes = await remote().attack(next.titles, next.request);
        shown.value = { ...next, outcomes };
        problem.value = undefined;
      } catch (error) {
        problem.value = sentenceOf(error);
      }
    }
  } finally {
    catching = false;
    busy.value = false;
  }
}

/** Attacks an image file from now on. Throws in a sentence where it is none; all is then as it was. */
export async function takePicture(file: File): Promise<void> {
  const pixels = await remote().picture(file);
  subject.value = { name: file.name, pixels, label: undefined };
}

/** Takes what is on the pad: attacks it from now on, unless there is nothing. */
export function takeDrawing(): void {
  const pixels = asMnist({ pixels: pad.value, height: PAD, width: PAD });
  if (pixels.some((value) => value > 0)) subject.value = { name: 'what you drew', pixels, label: undefined };
}

/** Puts a model in place of that of a side. */
export function putModel(side: 0 | 1, title: string): void {
  const [left, right] = sides.value;
  sides.value = side === 0 ? [title, right] : [left, title];
}

/** Puts a safetensors file in place of a side's model. Throws in a sentence where it is none; all is then as it was. */
export async function takeModel(side: 0 | 1, file: File): Promise<void> {
  checkSize(file, LARGEST_MODEL);
  const bytes = new Uint8Array(await file.arrayBuffer());
  const title = freeTitle(file.name);
  await models.put(title, bytes);
  putModel(side, addOwnModel({ title, bytes }).title);
}
