import type { Dataset } from '../data/dataset.js';
import type { Device } from '../engine/device.js';
import { ArgumentError } from '../engine/errors.js';
import type { Seed } from '../engine/random.js';
import { Module } from '../nn/module.js';
import { accuracyCurve, type AccuracyCurve } from './accuracy-curve.js';
import type { Attack } from './attacks/attack.js';
import { checkBall, partOf } from './attacks/ball.js';
import { fgsmAttack } from './attacks/fgsm.js';
import { dlrLoss, marginLoss } from './attacks/losses.js';
import { noiseAttack } from './attacks/noise.js';
import { pgdAttack } from './attacks/pgd.js';
import { squareAttack } from './attacks/square.js';
import { transferAttack } from './attacks/transfer.js';
import { evaluate, type EvaluationProgress } from './evaluation.js';
import type { Evaluation } from './evaluation-tally.js';
import type { Model } from './model.js';
import { probe, type Probes } from './sanity-probes.js';
import { wilson } from './statistics.js';

/** What a check says: the numbers can be trusted as far as it goes, or a human should look, or they cannot. */
export type Verdict = 'pass' | 'look' | 'fail';

/** One check of {@link sanity}. */
export interface SanityCheck {
  readonly name: string;
  readonly verdict: Verdict;
  /** What was found, with its numbers. */
  readonly finding: string;
  /** What to do, where the verdict is not 'pass'. */
  readonly advice: string;
}

/** What {@link sanity} gives. */
export interface SanityReport {
  /** The worst of the verdicts. */
  readonly verdict: Verdict;
  readonly checks: readonly SanityCheck[];
  /** The accuracies behind them, example by example. */
  readonly evaluation: Evaluation;
  /** The accuracy under PGD-20 against eps. */
  readonly curve: AccuracyCurve;
}

/** Options of {@link sanity}. */
export interface SanityOptions {
  /** Radius of the Linf ball that the model is claimed to be robust in, in units of the data. */
  readonly eps: number;
  /** Another model of the same images and classes: attacks made on it must not do better than those on the model. */
  readonly substitute?: Model | undefined;
  /** Queries of the Square attack; 500 unless told. */
  readonly queries?: number;
  /** 100 unless told. */
  readonly batchSize?: number;
  /** Fixes the attacks' random numbers; 0 unless told. */
  readonly seed?: Seed;
  /** Where the model lives; needed where it is a function. */
  readonly device?: Device | undefined;
  /** Called after each batch. */
  readonly onProgress?: ((progress: EvaluationProgress) => void | Promise<void>) | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** Examples that may differ by chance and by rounding, as a share; at least one. */
const FEW = 0.01;

/** Share of the examples from which on a difference is more than something to look at. */
const MANY = 0.05;

/** Gradients with no element above this are zero: steps go by signs, and any other gradient has them, however small it is. */
const VANISHED = 1e-30;

/** Rounding of a pass, relative to the largest logit: sums of a few thousand float32 products in another order. */
const ROUNDING = 1e-4;

/** How far the margin's slope may be from what its gradient says, by the median: kinks of rectifiers account for a part of it. */
const SLOPES = [0.5, 1.5] as const;

/**
 * Whether the robustness of a classifier is what its accuracies say: the checks of Carlini et al., "On evaluating adversarial robustness",
 * 2019, that a program can make, on every example of the dataset (200 say something). Gradients that vanish, that are not those of the
 * function or that are drawn anew, and outputs that are no logits, make attacks fail and models look robust that are not.
 *
 * @throws ArgumentError for an eps or a count outside its domain, fewer than two classes or an empty dataset; as `evaluate` does; and the
 * signal's reason
 */
export async function sanity(model: Model, dataset: Dataset, options: SanityOptions): Promise<SanityReport> {
  const { eps, substitute, queries = 500, batchSize = 100, seed = 0, signal } = options;
  checkBall('sanity', eps, {});
  if (!(eps > 0)) throw new ArgumentError(`sanity: eps is ${eps}; expected a number above 0`);
  if (dataset.classes < 2) throw new ArgumentError(`sanity: ${dataset.name} has ${dataset.classes} classes; needs 2`);
  const device = options.device ?? (model instanceof Module ? model.device : undefined);
  if (!device) throw new ArgumentError('sanity: the model is a function; say where it lives by the option device');
  const probes = await probe(model, dataset.take(Math.min(batchSize, dataset.size)), device);
  const call = { device, batchSize, seed, signal, onProgress: options.onProgress };
  const attacks = attacksFor(dataset, eps, queries, substitute);
  const evaluation = await evaluate(model, dataset, { ...call, attacks, examples: 0 });
  const values = [...new Set([0, eps / 2, eps, Math.min(1, 2 * eps), 0.5, 1])].sort((a, b) => a - b);
  const attackAt = (value: number): Attack => pgd20(value);
  const curve = await accuracyCurve(model, dataset, { ...call, setting: 'eps', values, attackAt });
  const seen = new Comparison(dataset, evaluation);
  const checks = [
    repeatability(probes),
    independence(probes),
    logits(evaluation, probes),
    gradients(probes, evaluation, dataset),
    slopes(probes),
    iterations(seen),
    steps(seen),
    losses(seen),
    radius(curve, dataset),
    ...blackBoxes(seen),
  ];
  const verdict = (['fail', 'look', 'pass'] as const).find((each) => checks.some((check) => check.verdict === each));
  return { verdict: verdict ?? 'pass', checks, evaluation, curve };
}

function pgd20(eps: number): Attack {
  return pgdAttack({ eps, stepSize: partOf(eps, 1 / 10), steps: 20 });
}

function attacksFor(
  dataset: Dataset,
  eps: number,
  queries: number,
  substitute: Model | undefined,
): Record<string, Attack> {
  const loss = dataset.classes > 2 ? dlrLoss : marginLoss;
  const images = dataset.exampleShape.length === 3;
  return {
    fgsm: fgsmAttack({ eps }),
    'pgd-20': pgd20(eps),
    'pgd-100': pgdAttack({ eps, stepSize: eps / 20, steps: 100 }),
    'pgd-20x5': pgdAttack({ eps, stepSize: eps / 10, steps: 20, restarts: 5 }),
    'pgd-20 margin': pgdAttack({ eps, stepSize: eps / 10, steps: 20, loss }),
    noise: noiseAttack({ eps, repeats: 20 }),
    // It looks for squares.
    ...(images && { square: squareAttack({ eps, queries }) }),
    ...(substitute && { transfer: transferAttack(substitute, pgd20(eps)) }),
  };
}

/** The attacks that use the model's gradients. */
const WHITE = ['fgsm', 'pgd-20', 'pgd-100', 'pgd-20x5', 'pgd-20 margin'];

/** Attacks compared example by example. */
class Comparison {
  readonly size: number;
  readonly #dataset: Dataset;
  readonly #evaluation: Evaluation;

  constructor(dataset: Dataset, evaluation: Evaluation) {
    this.size = dataset.size;
    this.#dataset = dataset;
    this.#evaluation = evaluation;
  }

  has(attack: string): boolean {
    return attack in this.#evaluation.attacks;
  }

  /** How many examples are right under an attack, or under all of several. */
  right(...attacks: readonly string[]): number {
    return this.#count((index) => attacks.every((attack) => this.#isRight(attack, index)));
  }

  /** How many examples that are right without an attack `one` fools, and none of `others`. */
  only(one: string, others: readonly string[]): number {
    return this.#count(
      (index) =>
        this.#evaluation.natural.predictions[index] === this.#dataset.labels[index] &&
        !this.#isRight(one, index) &&
        others.every((other) => this.#isRight(other, index)),
    );
  }

  percent(count: number): string {
    return `${((100 * count) / this.size).toFixed(1)} %`;
  }

  /** The verdict on a number of examples that should be none. */
  verdict(count: number): Verdict {
    if (count <= Math.max(1, FEW * this.size)) return 'pass';
    return count <= MANY * this.size ? 'look' : 'fail';
  }

  #count(holds: (index: number) => boolean): number {
    return Array.from(this.#dataset.labels.keys()).filter(holds).length;
  }

  #isRight(attack: string, index: number): boolean {
    return this.#evaluation.attacks[attack]?.predictions[index] === this.#dataset.labels[index];
  }
}

function repeatability({ repeated, scale }: Probes): SanityCheck {
  const most = Math.max(...repeated);
  const same = most <= ROUNDING * scale;
  return {
    name: 'the same images give the same logits',
    verdict: same ? 'pass' : 'fail',
    finding: `logits of two passes differ by ${short(most)} at most, of logits up to ${short(scale)}`,
    advice:
      "the model draws random numbers: put it into evaluation mode, or attack its expectation (autoAttack's version 'rand')",
  };
}

function independence({ alone, repeated, scale }: Probes): SanityCheck {
  const most = Math.max(...alone);
  const same = most <= ROUNDING * scale || Math.max(...repeated) > ROUNDING * scale;
  return {
    name: 'an image gives the same logits in any batch',
    verdict: same ? 'pass' : 'fail',
    finding: `logits of images alone and in a batch differ by ${short(most)} at most`,
    advice: 'batch normalisation runs in training mode: put the model into evaluation mode',
  };
}

function logits({ warnings }: Evaluation, { scale }: Probes): SanityCheck {
  const doubt = warnings.find((warning) => warning.includes('probabilities'));
  return {
    name: 'outputs are logits',
    verdict: doubt ? 'fail' : 'pass',
    finding: doubt
      ? 'outputs are from 0 to 1 and sum to 1'
      : `outputs go up to ${short(scale)} and are no probabilities`,
    advice: "take the softmax off the model's end",
  };
}

function gradients(
  { crossEntropyGradient, marginGradient }: Probes,
  { natural }: Evaluation,
  { labels }: Dataset,
): SanityCheck {
  const right = Array.from(marginGradient.keys()).filter((index) => natural.predictions[index] === labels[index]);
  const share = (of: readonly number[]): number =>
    right.filter((index) => (of[index] ?? 0) <= VANISHED).length / Math.max(1, right.length);
  const [byMargin, byLoss] = [share(marginGradient), share(crossEntropyGradient)];
  const worst = Math.max(byMargin, byLoss);
  return {
    name: 'input gradients do not vanish',
    verdict: worst > MANY ? 'fail' : worst > 0 ? 'look' : 'pass',
    finding: `${percent(byLoss)} of the gradients of the cross-entropy and ${percent(byMargin)} of those of the margin are zero`,
    advice:
      byMargin > MANY
        ? 'something in the model has no gradient, such as rounding: attack it without that part, or with an estimate of its gradient'
        : 'the cross-entropy is saturated, by large logits: attack the margin or the difference of logits ratio (APGD-DLR)',
  };
}

function slopes({ slopeRatio, marginGradient }: Probes): SanityCheck {
  const ratios = slopeRatio.filter((_, index) => (marginGradient[index] ?? 0) > VANISHED).sort((a, b) => a - b);
  const median = ratios[ratios.length >> 1] ?? 1;
  const [least, most] = SLOPES;
  return {
    name: 'gradients are those of the function',
    verdict: median >= least && median <= most ? 'pass' : 'look',
    finding: `along its gradient the margin changes by ${short(median)} times what the gradient says (median)`,
    advice:
      'the backward pass is not the derivative of the forward pass, or the function is very rough: look at layers with gradients of their own',
  };
}

function iterations(seen: Comparison): SanityCheck {
  const [once, often] = [seen.right('fgsm'), seen.right('pgd-20')];
  const missed = seen.only('fgsm', ['pgd-20']);
  const stronger = often <= once;
  return {
    name: 'iterating is stronger than a single step',
    verdict: stronger ? seen.verdict(missed) : 'fail',
    finding: `FGSM leaves ${seen.percent(once)}, PGD-20 ${seen.percent(often)}; ${missed} examples are fooled by FGSM alone`,
    advice: 'gradients mislead small steps: look for masked gradients, and do not trust accuracies under PGD',
  };
}

function steps(seen: Comparison): SanityCheck {
  const [short20, long, restarted] = ['pgd-20', 'pgd-100', 'pgd-20x5'].map((name) => seen.right(name)) as [
    number,
    number,
    number,
  ];
  const gained = short20 - Math.min(long, restarted);
  const verdict = seen.verdict(gained);
  return {
    name: 'more steps and restarts change little',
    verdict: verdict === 'fail' ? 'look' : verdict,
    finding: `PGD-20 leaves ${seen.percent(short20)}, 100 steps ${seen.percent(long)}, 5 restarts ${seen.percent(restarted)}`,
    advice: 'PGD-20 has not come to rest: report the stronger attack',
  };
}

function losses(seen: Comparison): SanityCheck {
  const missed = seen.only('pgd-20 margin', ['pgd-20', 'pgd-100', 'pgd-20x5']);
  return {
    name: 'the loss that is attacked matters little',
    verdict: seen.verdict(missed),
    finding: `${missed} examples are fooled by PGD on the margin and never on the cross-entropy`,
    advice:
      'the cross-entropy misleads attacks on this model: report attacks on logit differences too (CW, APGD-DLR, AutoAttack)',
  };
}

function radius({ points }: AccuracyCurve, { classes, size }: Dataset): SanityCheck {
  const rises = points.some(
    ({ accuracy }, index) => accuracy.count > (points[index - 1]?.accuracy.count ?? size) + Math.max(1, FEW * size),
  );
  const last = points.at(-1)?.accuracy ?? wilson(size, size);
  const above = last.low > 1 / classes;
  return {
    name: 'accuracy falls to chance as eps grows',
    verdict: above ? 'fail' : rises ? 'look' : 'pass',
    finding: points.map(({ value, accuracy }) => `eps ${short(value)}: ${percent(accuracy.value)}`).join(', '),
    advice: above
      ? 'images that may be anything are still classified: the attack fails to find what is there, so gradients are masked'
      : 'a wider ball holds every image of a narrower one: the attack fails to find some of them',
  };
}

function blackBoxes(seen: Comparison): SanityCheck[] {
  const each = [
    ['noise', 'random noise'],
    ['square', 'the Square attack, without gradients,'],
    ['transfer', 'attacks made on the substitute'],
  ] as const;
  return each
    .filter(([attack]) => seen.has(attack))
    .map(([attack, words]) => {
      const missed = seen.only(attack, WHITE);
      return {
        name: `attacks with gradients find what ${attack === 'transfer' ? 'a substitute' : attack} finds`,
        verdict: seen.verdict(missed),
        finding: `${words} leaves ${seen.percent(seen.right(attack))}, those with gradients ${seen.percent(seen.right(...WHITE))}; ${missed} examples are fooled by it alone`,
        advice: 'gradients do not show the way to images that are there: they are masked',
      };
    });
}

function short(value: number): string {
  return String(Number(value.toPrecision(3)));
}

function percent(share: number): string {
  return `${(100 * share).toFixed(1)} %`;
}
