import { ArgumentError } from '../engine/errors.js';
import { Generator, type Seed } from '../engine/random.js';
import type { Dataset } from './dataset.js';

/** How {@link splitDataset} divides a dataset. */
export interface SplitOptions {
  /** Examples to set aside: how many, or, below 1, which part of them (rounded to the nearest number). */
  readonly validation: number;
  /** Same seed, same examples; 0 unless told. */
  readonly seed?: Seed | undefined;
  /** Set aside the same number of examples of each class; false unless told. */
  readonly balanced?: boolean | undefined;
}

/** The two parts of a dataset; each keeps the order of the whole. */
export interface DatasetSplit {
  readonly training: Dataset;
  readonly validation: Dataset;
}

/**
 * Sets a random part of a dataset aside, such as to choose a checkpoint by: copies of both parts.
 *
 * @throws ArgumentError where a part would be empty; with `balanced`, where the number is no multiple of the number of classes or a
 * class has too few examples
 */
export function splitDataset(dataset: Dataset, { validation, seed = 0, balanced = false }: SplitOptions): DatasetSplit {
  const { name, size, classes } = dataset;
  const count = validation < 1 ? Math.round(validation * size) : validation;
  if (!Number.isInteger(count) || count < 1 || count >= size) {
    throw new ArgumentError(
      `split: validation ${validation} of the ${size} examples of ${name}; expected 1 .. ${size - 1} of them, or a part ` +
        'between 0 and 1',
    );
  }
  if (balanced && count % classes !== 0) {
    throw new ArgumentError(
      `split: ${count} examples are not the same number of each of the ${classes} classes of ${name}; take a multiple of ${classes}`,
    );
  }
  const chosen = balanced
    ? drawBalanced('split', dataset, count / classes, seed)
    : shuffled(size, seed).subarray(0, count).sort();
  const aside = new Set(chosen);
  const rest = Uint32Array.from({ length: size }, (_, index) => index).filter((index) => !aside.has(index));
  return {
    training: dataset.subset(rest, `${name} (without validation)`),
    validation: dataset.subset(chosen, `${name} (validation)`),
  };
}

/**
 * A random `perClass` examples of each class, in the order of the whole: a copy. Of one seed, more per class hold all those of fewer.
 *
 * @throws ArgumentError for a number that is not an integer from 1 up, or where a class has fewer examples
 */
export function balancedSubset(dataset: Dataset, perClass: number, seed: Seed = 0): Dataset {
  if (!Number.isInteger(perClass) || perClass < 1) {
    throw new ArgumentError(`balancedSubset: ${perClass} examples of each class; expected an integer from 1 up`);
  }
  return dataset.subset(drawBalanced('balancedSubset', dataset, perClass, seed));
}

/** The numbers of `perClass` random examples of each class, ascending. */
function drawBalanced(what: string, dataset: Dataset, perClass: number, seed: Seed): Uint32Array<ArrayBuffer> {
  const { name, size, classes, labels, classNames } = dataset;
  const chosen = Array.from({ length: classes }, (): number[] => []);
  for (const index of shuffled(size, seed)) {
    const ofClass = chosen[labels[index] ?? 0];
    if (ofClass && ofClass.length < perClass) ofClass.push(index);
  }
  const short = chosen.findIndex((indices) => indices.length < perClass);
  if (short >= 0) {
    const called = classNames?.[short] === undefined ? '' : ` (${classNames[short]})`;
    throw new ArgumentError(
      `${what}: ${name} has ${chosen[short]?.length ?? 0} examples of class ${short}${called}, fewer than ${perClass}`,
    );
  }
  return Uint32Array.from(chosen.flat()).sort();
}

/** All examples in random order: a stream that no epoch of a loader uses. */
function shuffled(size: number, seed: Seed): Uint32Array<ArrayBuffer> {
  return new Generator(seed, { purpose: 'shuffle', index: 2 ** 32 - 1 }).permutation(size);
}
