import { CIFAR100_STATISTICS, CIFAR10_STATISTICS, Normalize, type ChannelStatistics } from '../layers/normalize.js';
import { Sequential } from '../layers/sequential.js';
import type { Module } from '../module.js';

/** What networks for a dataset are mostly normalised by; of MNIST, as PyTorch's examples have it. */
export const USUAL_STATISTICS: ReadonlyMap<string, ChannelStatistics> = new Map([
  ['cifar10', CIFAR10_STATISTICS],
  ['cifar100', CIFAR100_STATISTICS],
  ['mnist', { mean: [0.1307], std: [0.3081] }],
]);

/**
 * `model` behind a {@link Normalize} of its own, under the keys `model` and `normalize` that RobustBench's wrapper gives them. It takes
 * images in the units of the data, such as [0, 1], which attacks work in, and owns `model`.
 *
 * @throws ArgumentError for statistics that {@link Normalize} refuses
 */
export function normalized(model: Module, statistics: ChannelStatistics): Sequential {
  return new Sequential({ normalize: new Normalize({ ...statistics, device: model.device }), model });
}
