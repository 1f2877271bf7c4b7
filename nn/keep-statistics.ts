import { BatchNorm2d } from './layers/batch-norm.js';
import type { Module } from './module.js';

/**
 * Runs the synchronous `fn`, in which the running statistics of batch norm in `model` stay as they are, to the bit, whatever the mode:
 * for a pass in training mode that is no part of training.
 */
export function keepStatistics<T>(model: Module, fn: () => T): T {
  const layers = model.modules().filter((module) => module instanceof BatchNorm2d);
  const before = layers.map((layer) => layer.tracking);
  try {
    for (const layer of layers) layer.tracking = false;
    return fn();
  } finally {
    layers.forEach((layer, index) => (layer.tracking = before[index] ?? true));
  }
}
