import { Normalize, type ChannelStatistics } from '../layers/normalize.js';
import { Sequential } from '../layers/sequential.js';
import type { Module } from '../module.js';

/**
 * `model` behind a {@link Normalize} of its own, under the keys `model` and `normalize` that RobustBench's wrapper gives them. It takes
 * images in the units of the data, such as [0, 1], which attacks work in, and owns `model`.
 *
 * @throws ArgumentError for statistics that {@link Normalize} refuses
 */
export function normalized(model: Module, statistics: ChannelStatistics): Sequential {
  return new Sequential({ normalize: new Normalize({ ...statistics, device: model.device }), model });
}
