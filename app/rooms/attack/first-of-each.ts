import type { Dataset } from '../../../data/dataset.js';

/** A digit of the page's own. */
export interface ShippedDigit {
  readonly label: number;
  /** 28 x 28 values from 0 to 1. */
  readonly pixels: Float32Array;
}

/** The first example of each class, by class. */
export function firstOfEach(dataset: Dataset): ShippedDigit[] {
  return Array.from({ length: dataset.classes }, (_, label) => {
    const { images } = dataset.gather([dataset.labels.indexOf(label)]);
    return { label, pixels: images };
  });
}
