import { noGrad } from '../engine/autograd.js';
import type { Tensor } from '../engine/tensor.js';
import { BatchNorm2d } from './layers/batch-norm.js';
import { rememberModes } from './modes.js';
import type { Module } from './module.js';

/**
 * Estimates the running statistics of batch norm anew, as the plain mean over passes of `batches` in training mode: PyTorch's
 * `optim.swa_utils.update_bn`. For parameters that training has not passed data through, such as averages. What else `model` does in
 * training mode, such as dropout, it does here too. Modes and momenta are afterwards what they were. A model without batch norm is left
 * alone, and the batches with it; batches stay the caller's.
 */
export async function updateBatchNorm(model: Module, batches: Iterable<Tensor> | AsyncIterable<Tensor>): Promise<void> {
  const layers = model.modules().filter((module) => module instanceof BatchNorm2d);
  if (layers.length === 0) return;
  const { device } = model;
  const restoreModes = rememberModes(model);
  const momenta = layers.map((layer) => layer.momentum);
  try {
    for (const layer of layers) {
      layer.resetRunningStatistics();
      layer.momentum = null;
    }
    model.train();
    for await (const batch of batches) {
      device.scope(() => {
        noGrad(device, () => model.forward(batch));
      });
      // One batch at a time is in flight.
      await device.sync();
    }
  } finally {
    layers.forEach((layer, index) => (layer.momentum = momenta[index] ?? null));
    restoreModes();
  }
}
