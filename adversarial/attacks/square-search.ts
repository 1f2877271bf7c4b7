import { noGrad } from '../../engine/autograd.js';
import { compile } from '../../engine/compile.js';
import { arange, tensor, zeros } from '../../engine/ops/create.js';
import { add, gt, logicalAnd, logicalNot, logicalOr, to, where } from '../../engine/ops/elementwise.js';
import { indexSelect } from '../../engine/ops/indexing.js';
import { concat } from '../../engine/ops/movement.js';
import { generatorOf } from '../../engine/ops/random.js';
import { keep, type Tensor } from '../../engine/tensor.js';
import { checkTargets, misclassified, targetedMisclassified } from '../criteria.js';
import { inEvalMode, logitsOf, type Model } from '../model.js';
import { marginLoss, targetedCrossEntropy } from './losses.js';
import { perImage } from './rows.js';
import { CHUNK, SquareDraws, l2Try, linfTry } from './square-changes.js';
import type { SquareOptions, SquareResult, SquareSettings } from './square.js';

/** The work of `squareSearch`, which loads it when it is called. */
export async function searchSquares(
  model: Model,
  x: Tensor,
  labels: Tensor,
  options: SquareOptions,
  { norm, queries, pInit, ball }: SquareSettings,
): Promise<SquareResult> {
  const [m = 0, , height = 0, width = 0] = x.shape;
  const { device } = x;
  const { generator = generatorOf(device, 'start'), signal, targets } = options;
  if (targets) checkTargets('squareSearch', targets, labels);
  const evaluated = <T>(work: () => T): T => device.scope(() => inEvalMode(model, () => noGrad(device, work)));
  const judge = (images: Tensor, classes: Tensor): { reached: Tensor; wrong: Tensor } => {
    const logits = logitsOf(model, images);
    if (!targets) return { reached: marginLoss(logits, classes), wrong: misclassified(logits, classes) };
    // `classes` are then those aimed at.
    const reached = targetedCrossEntropy(classes)(logits, classes);
    return { reached, wrong: targetedMisclassified(classes)(logits, classes) };
  };
  const draws = new SquareDraws(generator, x, queries, { norm, height, width, pInit });
  const tryOf = norm === 'linf' ? linfTry : l2Try;
  const step = compile(
    (
      best: Tensor,
      margin: Tensor,
      open: Tensor,
      asked: Tensor,
      at: Tensor,
      images: Tensor,
      classes: Tensor,
      windows: Tensor,
      signs: Tensor,
    ) => {
      const chunk = { windows, signs };
      const tried = tryOf(best, images, chunk, at, ball);
      const { reached, wrong } = judge(tried, classes);
      const better = logicalAnd(open, logicalOr(wrong, gt(reached, margin)));
      return {
        best: where(perImage(better, images.shape), tried, best),
        margin: where(better, reached, margin),
        open: logicalAnd(open, logicalNot(wrong)),
        queries: add(asked, to(open, 'i32')),
        at: add(at, 1),
      };
    },
  );

  const begin = (): Part => {
    const samples = options.samples ?? arange(0, m, { device });
    const start = norm === 'linf' ? draws.stripes(samples, ball) : draws.squares(samples, ball);
    const goals = targets ?? labels;
    const [natural, started] = [judge(x, goals), judge(start, goals)];
    const right = logicalNot(natural.wrong);
    const progress = {
      best: where(perImage(right, x.shape), start, x),
      margin: started.reached,
      open: logicalAnd(right, logicalNot(started.wrong)),
      queries: to(right, 'i32'),
    };
    // Shared memory: the part is disposed of, what the caller gave is not.
    const batch = { images: x.detach(), labels: goals.detach(), samples: samples.detach() };
    return keptPart({ progress, ...batch, places: Array.from({ length: m }, (_, place) => place) });
  };
  /** Some iterations more, from `first` on; the part's progress is gone. */
  const advance = (part: Part, first: number): Part => {
    const { images, labels: classes, samples } = part;
    const { windows, signs } = draws.next(first, samples);
    let now = { ...part.progress, at: zeros([1], { device, dtype: 'i32' }) };
    for (let done = first; done < Math.min(first + CHUNK, queries); done++) {
      const { best, margin, open, queries: asked, at } = now;
      const next = step(best, margin, open, asked, at, images, classes, windows, signs);
      for (const each of Object.values(now)) each.dispose();
      now = next;
    }
    const { best, margin, open, queries: asked } = now;
    return keptPart({ ...part, progress: { best, margin, open, queries: asked } });
  };

  const settled: Part[] = [];
  let part: Part | undefined;
  try {
    part = evaluated(begin);
    for (let first = 0; first < queries; first += CHUNK) {
      signal?.throwIfAborted();
      const open = await part.progress.open.data();
      const [left, rest] = [true, false].map((wanted) => rowsWhere(open, wanted)) as [number[], number[]];
      if (left.length === 0) break;
      const whole: Part = part;
      if (2 * left.length < open.length) {
        settled.push(evaluated(() => rowsOfPart(whole, rest)));
        part = evaluated(() => rowsOfPart(whole, left));
        disposePart(whole);
      }
      const before: Part = part;
      part = evaluated(() => advance(before, first));
    }
    const parts = [...settled, part];
    return evaluated(() => resultOf(parts));
  } finally {
    step.dispose();
    for (const each of part ? [...settled, part] : settled) disposePart(each);
  }
}

/** What a sample carries from query to query. `open`: it is not misclassified yet. */
interface Progress {
  readonly best: Tensor;
  readonly margin: Tensor;
  readonly open: Tensor;
  readonly queries: Tensor;
}

/** A part of the batch. */
interface Part {
  readonly progress: Progress;
  readonly images: Tensor;
  /** Their classes, or those aimed at. */
  readonly labels: Tensor;
  /** The samples' numbers, which their random numbers go by. */
  readonly samples: Tensor;
  /** Their places in the batch. */
  readonly places: readonly number[];
}

function tensorsOf({ progress, images, labels, samples }: Part): Tensor[] {
  const { best, margin, open, queries } = progress;
  return [best, margin, open, queries, images, labels, samples];
}

function keptPart(part: Part): Part {
  for (const each of tensorsOf(part)) keep(each);
  return part;
}

function disposePart(part: Part): void {
  for (const each of tensorsOf(part)) each.dispose();
}

/** Some rows of a part. */
function rowsOfPart({ progress, images, labels, samples, places }: Part, rows: readonly number[]): Part {
  const index = tensor(Int32Array.from(rows), { device: images.device });
  const of = (each: Tensor): Tensor => indexSelect(each, 0, index);
  return keptPart({
    progress: {
      best: of(progress.best),
      margin: of(progress.margin),
      open: of(progress.open),
      queries: of(progress.queries),
    },
    images: of(images),
    labels: of(labels),
    samples: of(samples),
    places: rows.map((row) => places[row] ?? 0),
  });
}

/** The parts together, in the batch's order. */
function resultOf(parts: readonly Part[]): SquareResult {
  const places = parts.flatMap((part) => part.places);
  const order = new Int32Array(places.length);
  for (const [row, place] of places.entries()) order[place] = row;
  const gathered = (name: keyof Progress): Tensor => {
    const all = concat(parts.map(({ progress }) => progress[name]));
    return indexSelect(all, 0, tensor(order, { device: all.device }));
  };
  return { images: gathered('best'), queries: gathered('queries'), found: logicalNot(gathered('open')) };
}

/** Where 0 and 1 say that it is so, or that it is not. */
function rowsWhere(flags: ArrayLike<number>, wanted: boolean): number[] {
  return Array.from(flags, (flag, row) => ((flag !== 0) === wanted ? row : -1)).filter((row) => row >= 0);
}
