/** What the attack room remembers while the page lasts: the choices, the models, and what became of the image. */
import { batch, effect, signal } from '@preact/signals';
import { wrap } from 'comlink';
import { fetchBytes } from '../../fetch-bytes.js';
import { Latest } from '../../latest.js';
import { SHIPPED_MODELS } from '../../models.js';
import { sentenceOf } from '../../sentence.js';
import { shippedMnist } from '../../shipped-mnist.js';
import type { AttackOutcome, AttackService } from './attack.worker.js';
import type { AttackName } from './attacks.js';

/** An image to attack. */
export interface Specimen {
  readonly title: string;
  /** [28, 28], in [0, 1]. */
  readonly pixels: Float32Array;
  /** What it is, where that is known. */
  readonly label: number | undefined;
}

/** A place for a model, of which there are two. */
export interface Side {
  readonly id: 'plain' | 'robust';
  readonly title: string;
  /** How it was trained, where that is known. */
  readonly command: string | undefined;
}

/** The radius that shows most: the plain model is fooled, the robust one is not. */
export const DEFAULT_EPS = 0.25;

export const attack = signal<AttackName>('pgd');
export const eps = signal(DEFAULT_EPS);
export const steps = signal(20);
/** The ten digits of the page. */
export const digits = signal<readonly Specimen[]>([]);
export const specimen = signal<Specimen | undefined>(undefined);
export const sides = signal<readonly Side[]>(SHIPPED_MODELS.map(({ id, title, command }) => ({ id, title, command })));
export const outcomes = signal<Readonly<Record<string, AttackOutcome | undefined>>>({});
/** The image that the outcomes are of. */
export const shown = signal<Specimen | undefined>(undefined);
export const busy = signal(true);
export const problem = signal<string | undefined>(undefined);

const worker = wrap<AttackService>(
  new Worker(new URL('attack.worker.ts', import.meta.url), { type: 'module', name: 'attack' }),
);

/** Loads the digits and the models; once. */
async function begin(): Promise<void> {
  const test = await shippedMnist('test');
  const labels = Array.from(test.labels);
  const found = Array.from({ length: test.classes }, (_, digit): Specimen => {
    const { images } = test.gather([labels.indexOf(digit)]);
    return { title: String(digit), pixels: images, label: digit };
  });
  digits.value = found;
  for (const { id, file } of SHIPPED_MODELS) await worker.load(id, await fetchBytes(file), file);
  ready.value = true;
  specimen.value ??= found[7];
}

const ready = signal(false);

const latest = new Latest<{ readonly of: Specimen; readonly found: Record<string, AttackOutcome> }>(
  ({ of, found }) =>
    batch(() => {
      outcomes.value = found;
      shown.value = of;
      problem.value = undefined;
      busy.value = false;
    }),
  (error) =>
    batch(() => {
      problem.value = sentenceOf(error);
      busy.value = false;
    }),
);

// Whatever is chosen, the attack follows.
effect(() => {
  const [of, request] = [
    specimen.value,
    { name: attack.value, eps: eps.value, steps: steps.value, sides: sides.value },
  ];
  if (!ready.value || !of) return;
  busy.value = true;
  latest.run(async () => {
    const found: Record<string, AttackOutcome> = {};
    const { name, eps: radius, steps: count } = request;
    for (const { id } of request.sides) {
      found[id] = await worker.attack(id, { name, eps: radius, steps: count, image: of.pixels, label: of.label });
    }
    return { of, found };
  });
});

/**
 * Puts a model of one's own on a side.
 *
 * @throws Error with a sentence where it cannot be one; what stood there stays
 */
export async function takeModel(id: Side['id'], bytes: Uint8Array, title: string): Promise<void> {
  await worker.load(id, bytes, title);
  sides.value = sides.value.map((side) => (side.id === id ? { id, title, command: undefined } : side));
}

/** Puts the model that the page ships back on its side. */
export async function restoreModel(id: Side['id']): Promise<void> {
  const model = SHIPPED_MODELS.find((each) => each.id === id);
  if (!model) return;
  await worker.load(id, await fetchBytes(model.file), model.file);
  sides.value = sides.value.map((side) => (side.id === id ? { id, title: model.title, command: model.command } : side));
}

begin().catch((error: unknown) => {
  problem.value = sentenceOf(error);
  busy.value = false;
});
