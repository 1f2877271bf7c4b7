import { bim } from '../../../adversarial/attacks/bim.js';
import { partOf } from '../../../adversarial/attacks/ball.js';
import type { Watched } from '../../../adversarial/attacks/attack.js';
import { cwLinf } from '../../../adversarial/attacks/cw-linf.js';
import { deepfool } from '../../../adversarial/attacks/deepfool.js';
import { ffgsm } from '../../../adversarial/attacks/ffgsm.js';
import { fgsm } from '../../../adversarial/attacks/fgsm.js';
import { pgd } from '../../../adversarial/attacks/pgd.js';
import { rfgsm } from '../../../adversarial/attacks/rfgsm.js';
import { noGrad } from '../../../engine/autograd.js';
import type { Device } from '../../../engine/device.js';
import { add } from '../../../engine/ops/elementwise.js';
import { concat } from '../../../engine/ops/movement.js';
import { tensor } from '../../../engine/ops/create.js';
import { Generator } from '../../../engine/random.js';
import { keep, type Tensor } from '../../../engine/tensor.js';
import type { Module } from '../../../nn/module.js';
import { lossOf, mostLikely, type AttackRequest, type Outcome } from './attacks.js';

const SHAPE = [1, 1, 28, 28];
const CLASSES = 10;

/** Attacks one picture; the same request gives the same result. `model` is in evaluation mode. */
export async function attackDigit(model: Module, device: Device, request: AttackRequest): Promise<Outcome> {
  const points: Tensor[] = [];
  const onPoint = (point: Tensor): void => void points.push(noGrad(device, () => keep(add(point, 0))));
  const x = tensor(Float32Array.from(request.pixels), { device, shape: SHAPE });
  try {
    const label = request.label ?? mostLikely(softmax(await logitsAt(model, device, [x])));
    const labels = tensor(Int32Array.of(label), { device });
    const end = await run(model, x, labels, request, { onPoint });
    try {
      const pixels = await end.floats();
      // The picture, each point on the way, of which the last is the result: all in one batch.
      const rows = inRows(await logitsAt(model, device, [x, ...points]));
      const loss = lossOf(request.attack) === 'margin' ? margin : crossEntropy;
      const [first = [], ...path] = rows;
      return {
        pixels,
        before: softmax(first),
        after: softmax(path.at(-1) ?? first),
        path: path.map((logits) => loss(logits, label)),
        distance: pixels.reduce((most, value, i) => Math.max(most, Math.abs(value - (request.pixels[i] ?? 0))), 0),
      };
    } finally {
      labels.dispose();
      if (end !== x) end.dispose();
    }
  } finally {
    for (const each of [x, ...points]) each.dispose();
  }
}

/** The attack of a request. Steps together go twice as far as eps, so that they cross the ball. */
async function run(
  model: Module,
  x: Tensor,
  labels: Tensor,
  { attack, eps, steps }: AttackRequest,
  watched: Watched,
): Promise<Tensor> {
  const stepSize = partOf(eps, Math.min(1, 2 / steps));
  // Always the same random numbers: what changes is what one changes.
  const random = { generator: new Generator(0, { purpose: 'start' }), ...watched };
  switch (attack) {
    case 'fgsm':
      return fgsm(model, x, labels, { eps, ...watched });
    case 'bim':
      return bim(model, x, labels, { eps, stepSize, steps, ...watched });
    case 'rfgsm':
      return rfgsm(model, x, labels, { eps, ...random });
    case 'ffgsm':
      return ffgsm(model, x, labels, { eps, ...random });
    case 'pgd':
      return pgd(model, x, labels, { eps, stepSize, steps, ...random });
    case 'cw':
      return cwLinf(model, x, labels, { eps, stepSize, steps, ...random });
    case 'deepfool': {
      const result = await deepfool(model, x, labels, { variant: 'torchattacks', maxIterations: steps, ...watched });
      for (const each of [result.iterations, result.labels]) each.dispose();
      return result.images;
    }
  }
}

function logitsAt(model: Module, device: Device, points: readonly Tensor[]): Promise<Float32Array> {
  return device.scope(() => noGrad(device, () => model.forward(concat([...points], 0))).floats());
}

function inRows(logits: Float32Array): number[][] {
  const rows: number[][] = [];
  for (let at = 0; at < logits.length; at += CLASSES) rows.push(Array.from(logits.subarray(at, at + CLASSES)));
  return rows;
}

/** ln sum_k exp z_k. */
function logSumExp(logits: ArrayLike<number>): number {
  const values = Array.from(logits);
  const most = Math.max(...values);
  return most + Math.log(values.reduce((sum, value) => sum + Math.exp(value - most), 0));
}

function softmax(logits: ArrayLike<number>): number[] {
  const total = logSumExp(logits);
  return Array.from(logits, (value) => Math.exp(value - total));
}

function crossEntropy(logits: readonly number[], label: number): number {
  return logSumExp(logits) - (logits[label] ?? 0);
}

/** By how much the largest logit of another class is above that of the label. */
function margin(logits: readonly number[], label: number): number {
  return Math.max(...logits.filter((_, k) => k !== label)) - (logits[label] ?? 0);
}
