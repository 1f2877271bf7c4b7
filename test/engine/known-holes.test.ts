/**
 * Derivatives that TensorFlow.js lacks, each against central differences of a float64 definition: first derivatives by both rules,
 * and second ones.
 */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  batchNorm2d,
  conv2d,
  elu,
  grad,
  maxPool2d,
  ones,
  softmax,
  sum,
  tanh,
  zeros,
  type Device,
  type Tensor,
} from '../../engine/index.js';
import { convGeometry } from '../../engine/ops/conv.js';
import { testDevice } from '../support/device.js';
import { expectDerivatives, expectForward, upload, type OpCheck } from '../support/op-check.js';
import { build, elementwise, input, type NdArray, type OpReference, type Reference } from '../support/reference.js';
import { convReferences } from '../support/references/conv.js';
import { normReferences } from '../support/references/norm.js';
import { poolReferences } from '../support/references/pool.js';
import { softmaxReferences } from '../support/references/softmax.js';
import { uniformFloats } from '../support/values.js';

let device: Device;
beforeAll(async () => {
  device = await testDevice();
});
afterAll(() => {
  device.destroy();
});

function definitionOf(reference: OpReference | undefined, attrs: unknown): Reference {
  const bound = reference?.(attrs as never);
  const first = typeof bound === 'function' ? bound : bound?.[0];
  if (!first) throw new RangeError('no such definition');
  return first;
}

async function expectBothOrders(check: OpCheck): Promise<void> {
  await expectForward(device, check);
  await expectDerivatives(device, check);
}

const fixed = (shape: number[], seed: number): NdArray => {
  const size = shape.reduce((product, extent) => product * extent, 1);
  return { shape, data: Float64Array.from(uniformFloats(size, seed, -1, 1)) };
};

describe('what TensorFlow.js lacks', () => {
  it('the second derivative of conv2d with respect to its filter', async () => {
    // Squared, because a convolution by itself is linear in its filter.
    const x = fixed([2, 2, 5, 5], 3);
    const geometry = convGeometry('conv2d', x.shape, [3, 2, 3, 3], { padding: 1 });
    const conv = definitionOf(convReferences['conv2d'], { geometry });
    await expectBothOrders({
      name: 'filter',
      shapes: [[3, 2, 3, 3]],
      call: ([weight]) => weight && conv2d(upload(device, x), weight, null, { padding: 1 }).square(),
      definition: ([weight]) => elementwise((value) => value ** 2)([conv([x, input(weight)])]),
    });
    // And mixed: d/dx of the gradient with respect to the filter is not 0.
    const [images, weight] = [upload(device, x).requireGrad(), ones([3, 2, 3, 3], { device }).requireGrad()];
    const [first] = grad(sum(conv2d(images, weight, null, { padding: 1 })), [weight], { createGraph: true });
    const [mixed] = grad(sum(first as Tensor), [images]);
    // Each place of x meets as many taps as reach it: 9 inside, 6 at an edge, 4 in a corner, for each of 3 filters.
    const row = (at: number): number[] => [2, 3, 3, 3, 2].map((taps) => taps * at * 3);
    expect((await mixed?.toArray()) as unknown).toEqual([2, 2].map(() => [2, 2].map(() => [2, 3, 3, 3, 2].map(row))));
  });

  it('the second derivative of max-pool', async () => {
    const window = { shape: [2, 2, 6, 6], kernel: [2, 2], stride: [2, 2], padding: [0, 0] };
    const pool = definitionOf(poolReferences['maxPool2d'], window);
    await expectBothOrders({
      name: 'max-pool',
      shapes: [[2, 2, 6, 6]],
      call: ([x]) => x && maxPool2d(x, 2).square(),
      definition: ([x]) => elementwise((value) => value ** 2)([pool([input(x)])]),
    });
  });

  it('the second derivative of tanh', async () => {
    await expectBothOrders({
      name: 'tanh',
      shapes: [[31]],
      call: ([x]) => x && tanh(x),
      definition: elementwise(Math.tanh),
    });
  });

  it('the second derivative of elu', async () => {
    await expectBothOrders({
      name: 'elu',
      shapes: [[31]],
      call: ([x]) => x && elu(x, 1.5),
      definition: elementwise((x) => (x > 0 ? x : 1.5 * Math.expm1(x))),
    });
  });

  it('the second derivative of batch normalisation', async () => {
    const normalise = definitionOf(normReferences['batchNorm2dTrain'], { eps: 1e-3 });
    await expectBothOrders({
      name: 'batch norm',
      shapes: [[3, 2, 2, 3], [2], [2]],
      call: ([x, weight, bias]) => {
        if (!x || !weight || !bias) return undefined;
        const running = { runningMean: zeros([2], { device }), runningVar: ones([2], { device }) };
        return batchNorm2d(x, { weight, bias, ...running, training: true, eps: 1e-3 });
      },
      definition: normalise,
    });
  });

  it('the gradient of a dilated convolution', async () => {
    const geometry = convGeometry('conv2d', [1, 2, 7, 8], [3, 2, 3, 3], { dilation: [2, 3], padding: [2, 1] });
    await expectBothOrders({
      name: 'dilated',
      shapes: [
        [1, 2, 7, 8],
        [3, 2, 3, 3],
      ],
      call: ([x, weight]) => x && weight && conv2d(x, weight, null, { dilation: [2, 3], padding: [2, 1] }),
      definition: definitionOf(convReferences['conv2d'], { geometry }),
    });
  });

  it('softmax on any axis', async () => {
    for (const axis of [0, 1, 2]) {
      await expectBothOrders({
        name: `softmax on axis ${axis}`,
        shapes: [[3, 4, 5]],
        call: ([x]) => x && softmax(x, axis),
        definition: definitionOf(softmaxReferences['softmax'], { axis }),
      });
    }
    const equal = build([2, 3], () => 1);
    expect(await softmax(upload(device, equal), 0).toArray()).toEqual([0, 0].map(() => [0.5, 0.5, 0.5]));
  });
});
