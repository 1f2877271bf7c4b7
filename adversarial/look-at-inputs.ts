import { noGrad } from '../engine/autograd.js';
import { ArgumentError, BulwarkError, ShapeError } from '../engine/errors.js';
import { abs, isFinite as isFiniteOf, logicalNot, square, sub, to } from '../engine/ops/elementwise.js';
import { concat, reshape } from '../engine/ops/movement.js';
import { max, mean, min, sum } from '../engine/ops/reduce.js';
import { formatShape } from '../engine/shape.js';
import type { Tensor } from '../engine/tensor.js';
import { checkBall, type ClipOptions } from './attacks/ball.js';
import { checkBatch } from './attacks/input-gradient.js';
import { inEvalMode, logitsOf, type Model } from './model.js';

/** How far outside the range values may be by rounding, as a part of it. */
const SLACK = 1e-6;

/** How close to 1 the outputs of each sample have to add up to look like probabilities. */
const SUM_OF_PROBABILITIES = 1e-3;

/** The part of the range that images keep to which were divided by 255 twice, with some room. */
const DARK = 2 / 255;

/** The work of `checkInputs`, which loads it when it is called. */
export async function lookAtInputs(model: Model, x: Tensor, labels: Tensor, options: ClipOptions): Promise<string[]> {
  const range = checkBall('checkInputs', 0, options);
  checkBatch('checkInputs', x, labels);
  const { packed, classes } = x.device.scope(() => noGrad(x.device, () => figuresOf(model, x, labels)));
  try {
    const figures = Array.from(await packed.floats());
    checkImages(figures, range);
    checkLabels(figures, classes);
    checkLogits(figures);
    return [...imageWarnings(figures, range), ...logitWarnings(figures)];
  } finally {
    packed.dispose();
  }
}

/** What is read, in this order. */
const FIGURES = [
  'brokenImages',
  'least',
  'largest',
  'average',
  'squared',
  'leastLabel',
  'largestLabel',
  'brokenLogits',
  'leastLogit',
  'largestLogit',
  'furthestSum',
] as const;

type Figures = readonly number[];

function figure(figures: Figures, name: (typeof FIGURES)[number]): number {
  return figures[FIGURES.indexOf(name)] ?? NaN;
}

function figuresOf(model: Model, x: Tensor, labels: Tensor): { packed: Tensor; classes: number } {
  const logits = inEvalMode(model, () => logitsOf(model, x));
  const [rows, classes = 0] = logits.shape;
  if (logits.rank !== 2 || rows !== x.shape[0] || classes === 0) {
    throw new ShapeError(
      `checkInputs: the model gives ${formatShape(logits.shape)} for images ${formatShape(x.shape)}; expected [m, C]`,
    );
  }
  const broken = (of: Tensor): Tensor => sum(to(logicalNot(isFiniteOf(of)), 'f32'));
  const classesOf = to(labels, 'f32');
  const values: Record<(typeof FIGURES)[number], Tensor> = {
    brokenImages: broken(x),
    least: min(x),
    largest: max(x),
    average: mean(x),
    squared: mean(square(x)),
    leastLabel: min(classesOf),
    largestLabel: max(classesOf),
    brokenLogits: broken(logits),
    leastLogit: min(logits),
    largestLogit: max(logits),
    furthestSum: max(abs(sub(sum(logits, [1]), 1))),
  };
  return { packed: concat(FIGURES.map((name) => reshape(values[name], [1]))), classes };
}

function checkImages(figures: Figures, { clipMin, clipMax }: Required<ClipOptions>): void {
  const broken = figure(figures, 'brokenImages');
  if (broken > 0)
    throw new ArgumentError(`checkInputs: the images have values that are NaN or infinite, ${broken} of them`);
  const [least, largest] = [figure(figures, 'least'), figure(figures, 'largest')];
  const slack = SLACK * (clipMax - clipMin);
  if (least >= clipMin - slack && largest <= clipMax + slack) return;
  const seen = `checkInputs: the images are in [${short(least)}, ${short(largest)}]`;
  const advice =
    least >= 0 && largest <= 255
      ? 'divide them by 255'
      : 'normalisation by a mean and a standard deviation belongs into the model, so that eps is in units of the data';
  throw new ArgumentError(`${seen}, outside the range of the data, [${clipMin}, ${clipMax}]; ${advice}`);
}

function checkLabels(figures: Figures, classes: number): void {
  const [least, largest] = [figure(figures, 'leastLabel'), figure(figures, 'largestLabel')];
  if (least >= 0 && largest < classes) return;
  throw new ArgumentError(
    `checkInputs: the labels are from ${least} to ${largest}; the model has ${classes} classes, 0 to ${classes - 1}`,
  );
}

function checkLogits(figures: Figures): void {
  const broken = figure(figures, 'brokenLogits');
  if (broken === 0) return;
  throw new BulwarkError(
    `checkInputs: the model gives logits that are NaN or infinite, ${broken} of them; its weights are not usable`,
  );
}

function imageWarnings(figures: Figures, { clipMin, clipMax }: Required<ClipOptions>): string[] {
  const [least, largest, average] = [figure(figures, 'least'), figure(figures, 'largest'), figure(figures, 'average')];
  const seen = `the images are in [${short(least)}, ${short(largest)}]`;
  if (least < 0) {
    const spread = Math.sqrt(Math.max(figure(figures, 'squared') - average ** 2, 0));
    return [
      `${seen}, of mean ${short(average)} and standard deviation ${short(spread)}: they look normalised; eps is in units of these values, ` +
        'and published figures are for data in [0, 1] with the normalisation in the model',
    ];
  }
  if (largest - clipMin > DARK * (clipMax - clipMin)) return [];
  return [`${seen}, a small part of the range of the data, [${clipMin}, ${clipMax}]: were they divided by 255 twice?`];
}

function logitWarnings(figures: Figures): string[] {
  const probabilities =
    figure(figures, 'leastLogit') >= 0 &&
    figure(figures, 'largestLogit') <= 1 + SLACK &&
    figure(figures, 'furthestSum') <= SUM_OF_PROBABILITIES;
  if (!probabilities) return [];
  return [
    "the model's outputs look like probabilities, each sample's being from 0 to 1 and of sum 1: attacks need logits, since after a softmax " +
      'gradients vanish where the model is sure',
  ];
}

function short(value: number): number {
  return Number(value.toPrecision(4));
}
