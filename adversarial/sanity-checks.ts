import type { AccuracyCurve } from './accuracy-curve.js';
import type { Comparison } from './sanity-comparison.js';
import type { Probes, Slope } from './sanity-probes.js';
import { signTest, wilson, type Proportion } from './statistics.js';

/** What a check says: the numbers can be trusted as far as it goes, or a human should look, or they cannot. */
export type Verdict = 'pass' | 'look' | 'fail';

/** One check of `sanity`. */
export interface SanityCheck {
  readonly name: string;
  readonly verdict: Verdict;
  /** What was found, in words. */
  readonly finding: string;
  /** What to do, where the verdict is not 'pass'. */
  readonly advice: string;
  /** What was found, by name. */
  readonly numbers: Readonly<Record<string, number>>;
  /** The examples that it is about, by their numbers in the dataset: those that one attack fools and others do not. */
  readonly examples?: readonly number[];
}

/** The attacks of `sanity` that use the model's gradients. */
export const WHITE_BOX = ['fgsm', 'pgd-20', 'pgd-100', 'pgd-20x5', 'pgd-20 margin'] as const;

/** Its attacks that do not, with how a sentence calls them. */
export const BLACK_BOX = {
  noise: 'random noise',
  square: 'the Square attack',
  transfer: 'the attack made on the substitute',
} as const;

/** Rounding of a pass, relative to the largest logit: sums of a few thousand float32 products in another order. */
const ROUNDING = 1e-4;

/** Gradients with no element above this are zero: steps go by signs, and any other gradient has them, however small it is. */
const VANISHED = 1e-30;

/** Share of the examples whose gradients may vanish before accuracies under attack are off by points. */
const VANISHED_SHARE = 0.05;

/**
 * How far slopes may be off, in parts of what the gradient says. On MNIST and on small nets differences along honest gradients are off by
 * 0.03 for nine images in ten, in random directions by 0.25 (black pixels lie at the kinks of rectifiers whose biases are near zero); with
 * half of the image detached, or rounding in front, half of the images or more are off by over 0.5 in random directions.
 */
const SLOPE_ERROR = 0.3;

/** Share of the images that may be off by more. */
const SLOPE_SHARE = 0.3;

/** Share of the examples that may differ between attacks of one kind by chance; at least one example. */
const FEW = 0.01;

/**
 * Share of the examples that only another loss fools from which on the cross-entropy is not to be trusted at all. Models of honest gradients
 * can differ by five points: MART, by its own publication's numbers.
 */
const OTHER_LOSS = 0.1;

/** Share of the examples that an attack without gradients may fool alone: the 0.2 points from which on AutoAttack warns of it. */
const OVERLOOKED = 0.002;

/** Where even the lower end of its interval is above this, it was no single odd example. */
const MANY_OVERLOOKED = 0.01;

/** How improbable a difference between two attacks has to be if both are as strong: one side of 95 %. */
const CHANCE = 0.025;

/** The eps from which on every image may be plain grey: all of them one and the same. */
const HALF_RANGE = 0.5;

/** Two passes over the same images. */
export function repeatability({ repeated, range }: Probes): SanityCheck {
  const most = Math.max(...repeated);
  return {
    name: 'the same images give the same logits',
    verdict: most <= ROUNDING * scaleOf(range) ? 'pass' : 'fail',
    finding: `logits of two passes differ by ${short(most)} at most, of logits up to ${short(scaleOf(range))}`,
    advice:
      "the model draws random numbers: put it into evaluation mode, or attack its expectation (autoAttack's version 'rand')",
    numbers: { largestDifference: most, largestLogit: scaleOf(range) },
  };
}

/** Images in a batch and alone. */
export function independence({ alone, repeated, range }: Probes): SanityCheck {
  const most = Math.max(...alone);
  const name = 'an image gives the same logits in any batch';
  const numbers = { largestDifference: most, images: alone.length };
  if (Math.max(...repeated) > ROUNDING * scaleOf(range)) {
    const finding = 'logits are random, so batches cannot be compared';
    return { name, verdict: 'look', finding, advice: 'check again without the random numbers', numbers };
  }
  return {
    name,
    verdict: most <= ROUNDING * scaleOf(range) ? 'pass' : 'fail',
    finding: `logits of images alone and in a batch differ by ${short(most)} at most`,
    advice: 'batch normalisation runs in training mode: put the model into evaluation mode',
    numbers,
  };
}

/** Layers that were in training mode. */
export function modes({ training }: Probes): SanityCheck {
  const some = training.slice(0, 3).join(', ') + (training.length > 3 ? ', ...' : '');
  return {
    name: 'the model is in evaluation mode',
    verdict: training.length === 0 ? 'pass' : 'look',
    finding:
      training.length === 0
        ? 'no batch normalisation or dropout is in training mode'
        : `${counted(training.length, 'layer')} in training mode: ${some}`,
    advice: 'the checks ran in evaluation mode; put the model into it, by model.eval(), wherever it is used',
    numbers: { layers: training.length },
  };
}

/** What a softmax or a sigmoid at the end would give. */
export function logits({ range }: Probes, probabilities: boolean): SanityCheck {
  const [least, most] = range;
  const bounded = least >= 0 && most <= 1 && most > least;
  return {
    name: 'outputs are logits',
    verdict: probabilities ? 'fail' : bounded ? 'look' : 'pass',
    finding: `outputs are from ${short(least)} to ${short(most)}${probabilities ? ' and sum to 1' : ''}`,
    advice: probabilities
      ? "take the softmax off the model's end"
      : "if there is a sigmoid at the model's end, or another function that saturates, take it off",
    numbers: { least, most },
  };
}

/** Whether there is something to be robust. */
export function natural({ natural: accuracy, constantAnswer }: Comparison): SanityCheck {
  return {
    name: 'the model has learned something',
    verdict: accuracy.low > constantAnswer ? 'pass' : 'fail',
    finding: `${percent(accuracy.value)} of the natural images are right, the largest class has ${percent(constantAnswer)}`,
    advice: 'accuracies under attack of such a model mean nothing: train it first, and check its images and labels',
    numbers: { accuracy: accuracy.value, largestClass: constantAnswer },
  };
}

/** Input gradients of the images that are classified rightly. */
export function gradients({ crossEntropyGradient, marginGradient }: Probes, seen: Comparison): SanityCheck {
  const right = Array.from(marginGradient.keys()).filter((index) => seen.isRight(index));
  const vanished = (of: readonly number[]): number => right.filter((index) => (of[index] ?? 0) <= VANISHED).length;
  const [byMargin, byLoss] = [vanished(marginGradient), vanished(crossEntropyGradient)];
  const worst = Math.max(byMargin, byLoss);
  return {
    name: 'input gradients do not vanish',
    verdict: worst > VANISHED_SHARE * right.length ? 'fail' : worst > 0 ? 'look' : 'pass',
    finding: `of ${counted(right.length, 'image')}, ${byLoss} without a gradient of the cross-entropy and ${byMargin} without one of the margin`,
    advice:
      byMargin > VANISHED_SHARE * right.length
        ? 'something in the model has no gradient, such as rounding: attack it without that part, or with an estimate of its gradient'
        : 'the cross-entropy is saturated, by large logits: attack the margin or the difference of logits ratio (APGD-DLR)',
    numbers: { images: right.length, withoutCrossEntropyGradient: byLoss, withoutMarginGradient: byMargin },
  };
}

/** Gradients against differences, along the gradient and in random directions. */
export function slopes({ uphill, sideways, marginGradient }: Probes): SanityCheck {
  const name = 'gradients are those of the function';
  const images = Array.from(uphill.keys()).filter((index) => (marginGradient[index] ?? 0) > VANISHED);
  if (images.length === 0) {
    const advice = 'see what makes them vanish first';
    return { name, verdict: 'look', finding: 'there are no gradients to compare', advice, numbers: { images: 0 } };
  }
  const errors = images.map((index) => ({
    along: slopeError(uphill.slice(index, index + 1)),
    across: slopeError(sideways[index] ?? []),
  }));
  const [along, across] = [median(errors.map((of) => of.along)), median(errors.map((of) => of.across))];
  const off = errors.filter((of) => Math.max(of.along, of.across) > SLOPE_ERROR).length;
  return {
    name,
    verdict: off > SLOPE_SHARE * images.length ? 'look' : 'pass',
    finding:
      `slopes are off by ${short(along)} of what gradients say along them, by ${short(across)} in random directions ` +
      `(medians), and by more than ${SLOPE_ERROR} for ${off} of ${counted(images.length, 'image')}`,
    advice:
      'the backward pass is not the derivative of the forward pass, or the function is very rough: look for rounding, detached parts and ' +
      'layers with gradients of their own, and trust attacks without gradients more',
    numbers: { images: images.length, errorAlongGradient: along, errorInRandomDirections: across, imagesOff: off },
  };
}

/** FGSM against PGD. */
export function iterations(seen: Comparison): SanityCheck {
  const [once, often] = [seen.accuracy('fgsm'), seen.accuracy('pgd-20')];
  const missed = seen.only(['fgsm'], ['pgd-20']);
  const found = seen.only(['pgd-20'], ['fgsm']).length;
  const weaker = signTest(found, missed.length) < CHANCE;
  const some = wilson(missed.length, seen.size).low > MANY_OVERLOOKED;
  return {
    name: 'iterating is stronger than a single step',
    verdict: weaker ? 'fail' : some ? 'look' : 'pass',
    finding:
      `FGSM leaves ${percent(once.value)}, PGD-20 ${percent(often.value)}; ` +
      `FGSM alone fools ${missed.length}, PGD-20 alone ${found}`,
    advice: 'gradients mislead small steps: look for masked gradients, and do not trust accuracies under PGD',
    numbers: { fgsm: once.value, pgd20: often.value, fgsmAlone: missed.length, pgd20Alone: found },
    examples: missed,
  };
}

/** PGD with more steps, and from more starts. */
export function steps(seen: Comparison): SanityCheck {
  const [short20, long, restarted] = [seen.accuracy('pgd-20'), seen.accuracy('pgd-100'), seen.accuracy('pgd-20x5')];
  const gained = seen.only(['pgd-100', 'pgd-20x5'], ['pgd-20']);
  return {
    name: 'more steps and restarts change little',
    verdict: isFew(gained.length, seen.size) ? 'pass' : 'look',
    finding:
      `PGD-20 leaves ${percent(short20.value)}, 100 steps ${percent(long.value)}, 5 restarts ${percent(restarted.value)}; ` +
      `${counted(gained.length, 'example')} fooled by more of either alone`,
    advice: 'PGD-20 has not come to rest: report the stronger attack',
    numbers: { pgd20: short20.value, pgd100: long.value, restarts5: restarted.value, gained: gained.length },
    examples: gained,
  };
}

/** PGD on the cross-entropy against PGD on the margin. */
export function losses(seen: Comparison): SanityCheck {
  const missed = seen.only(['pgd-20 margin'], ['pgd-20', 'pgd-100', 'pgd-20x5']);
  const few = isFew(missed.length, seen.size);
  return {
    name: 'the loss that is attacked matters little',
    verdict: few ? 'pass' : missed.length > OTHER_LOSS * seen.size ? 'fail' : 'look',
    finding: `${counted(missed.length, 'example')} fooled by PGD on the margin and never on the cross-entropy`,
    advice:
      'the cross-entropy misleads attacks on this model: report attacks on logit differences too (CW, APGD-DLR, AutoAttack)',
    numbers: { marginAlone: missed.length, pgd20: seen.accuracy('pgd-20').value },
    examples: missed,
  };
}

/** The accuracy against eps, whose last point is where every image is within reach. */
export function radius({ points }: AccuracyCurve, { constantAnswer, size }: Comparison): SanityCheck {
  const rises = points.some(
    ({ accuracy }, index) => accuracy.count > (points[index - 1]?.accuracy.count ?? size) + Math.max(1, FEW * size),
  );
  const above = ({ low }: Proportion): boolean => low > constantAnswer;
  const last = points.at(-1)?.accuracy ?? wilson(size, size);
  const half = points.some(({ value, accuracy }) => value >= HALF_RANGE && above(accuracy));
  return {
    name: 'accuracy falls to chance as eps grows',
    verdict: above(last) ? 'fail' : half || rises ? 'look' : 'pass',
    finding: points.map(({ value, accuracy }) => `eps ${short(value)}: ${percent(accuracy.value)}`).join(', '),
    advice: above(last)
      ? 'images that may be anything are still classified: the attack fails to find what is there, so gradients are masked'
      : half
        ? 'at eps 0.5 every image may be plain grey, so no model is above chance: the attack fails to find what is there'
        : 'a wider ball holds every image of a narrower one: the attack fails to find some of them',
    numbers: {
      ...Object.fromEntries(points.map(({ value, accuracy }) => [`eps ${short(value)}`, accuracy.value])),
      chance: constantAnswer,
    },
  };
}

/** What attacks without gradients fool that no attack with gradients does. */
export function blackBoxes(seen: Comparison): SanityCheck[] {
  return Object.entries(BLACK_BOX)
    .filter(([attack]) => seen.has(attack))
    .map(([attack, words]) => {
      const missed = seen.only([attack], WHITE_BOX);
      const many = wilson(missed.length, seen.size).low > MANY_OVERLOOKED;
      const [own, white] = [seen.accuracy(attack), seen.accuracy(...WHITE_BOX)];
      return {
        name: `attacks with gradients find what ${attack === 'transfer' ? 'a substitute' : attack} finds`,
        verdict: missed.length <= OVERLOOKED * seen.size ? 'pass' : many ? 'fail' : 'look',
        finding:
          `${words} leaves ${percent(own.value)}, those with gradients ${percent(white.value)}; ` +
          `${counted(missed.length, 'example')} fooled by it alone`,
        advice: many
          ? 'gradients do not show the way to images that are there: they are masked'
          : 'look at these examples, and report the worst case over this attack too',
        numbers: { [attack]: own.value, whiteBox: white.value, alone: missed.length },
        examples: missed,
      };
    });
}

function counted(count: number, what: string): string {
  return `${count} ${what}${count === 1 ? '' : 's'}`;
}

function isFew(count: number, size: number): boolean {
  return count <= Math.max(1, FEW * size);
}

/** The largest absolute logit. */
function scaleOf([least, most]: Probes['range']): number {
  return Math.max(Math.abs(least), Math.abs(most));
}

/** How far slopes are off together, in parts of what the gradient says. */
function slopeError(of: readonly Slope[]): number {
  const length = (values: readonly number[]): number => Math.hypot(...values);
  return length(of.map(({ said, seen }) => seen - said)) / Math.max(length(of.map(({ said }) => said)), VANISHED);
}

function median(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[values.length >> 1] ?? 0;
}

function short(value: number): string {
  return String(Number(value.toPrecision(3)));
}

function percent(share: number): string {
  return `${(100 * share).toFixed(1)} %`;
}
