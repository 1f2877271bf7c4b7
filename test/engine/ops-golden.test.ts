import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { padCropFlip } from '../../data/augmentation.js';
import {
  adaptiveAvgPool2d,
  add,
  avgPool2d,
  batchNorm2d,
  conv2d,
  crossEntropy,
  div,
  flatten,
  grad,
  linear,
  logSoftmax,
  max,
  maxPool2d,
  mean,
  mul,
  relu,
  softmax,
  sub,
  sum,
  tensor,
  type Device,
  type Reduction,
  type Tensor,
} from '../../engine/index.js';
import { expectGolden, loadGolden, type GoldenCase } from '../support/golden.js';
import { testDevice } from '../support/device.js';

const OPS = { rtol: 2e-5, atol: 2e-6 };

let device: Device;
beforeAll(async () => {
  device = await testDevice();
});
afterAll(() => {
  device.destroy();
});

/** The inputs of a case as tensors, those named in `differentiable` ready for gradients. */
function inputsOf(testCase: GoldenCase): Map<string, Tensor> {
  return new Map(
    [...testCase.inputs].map(([name, { data, shape, dtype }]) => {
      const values = tensor(data, { shape, dtype: dtype === 'i32' ? 'i32' : 'f32', device });
      return [name, dtype === 'i32' ? values : values.requireGrad()];
    }),
  );
}

function need(map: Map<string, Tensor>, name: string): Tensor {
  const found = map.get(name);
  if (!found) throw new RangeError(`no input ${name}`);
  return found;
}

/** The attributes of the cases; each op has some of them. */
// A type alias, because only those can be asserted from a record.
type Attrs = {
  readonly axis: number;
  readonly axes: readonly number[];
  readonly keepdim: boolean;
  readonly kernel: number;
  readonly stride: number;
  readonly padding: number;
  readonly dilation: number;
  readonly groups: number;
  readonly count_include_pad: boolean;
  readonly pad: number;
  readonly train: boolean;
  readonly momentum: number;
  readonly eps: number;
  readonly reduction: Reduction;
  readonly label_smoothing: number;
};

type Run = (inputs: Map<string, Tensor>, attrs: Attrs) => Map<string, Tensor>;

const single =
  (f: (inputs: Map<string, Tensor>, attrs: Attrs) => Tensor): Run =>
  (inputs, attrs) =>
    new Map([['out', f(inputs, attrs)]]);

const reduction = (f: typeof sum): Run => single((t, { axes, keepdim }) => f(need(t, 'x'), axes, { keepDim: keepdim }));

/** How each group of cases is computed here. */
const runs: Record<string, Run> = {
  add: single((t) => add(need(t, 'a'), need(t, 'b'))),
  sub: single((t) => sub(need(t, 'a'), need(t, 'b'))),
  mul: single((t) => mul(need(t, 'a'), need(t, 'b'))),
  div: single((t) => div(need(t, 'a'), need(t, 'b'))),
  linear: single((t) => linear(need(t, 'x'), need(t, 'w'), t.get('b'))),
  relu: single((t) => relu(need(t, 'x'))),
  reduce_sum: reduction(sum),
  reduce_mean: reduction(mean),
  reduce_max: reduction(max),
  softmax: single((t, { axis }) => softmax(need(t, 'x'), axis)),
  log_softmax: single((t, { axis }) => logSoftmax(need(t, 'x'), axis)),
  cross_entropy: single((t, attrs) =>
    crossEntropy(need(t, 'logits'), need(t, 'y'), {
      reduction: attrs.reduction,
      labelSmoothing: attrs.label_smoothing,
    }),
  ),
  conv2d: single((t, { stride, padding, dilation, groups }) =>
    conv2d(need(t, 'x'), need(t, 'w'), t.get('b'), { stride, padding, dilation, groups }),
  ),
  avgpool2d: single((t, { kernel, stride, padding, count_include_pad: countIncludePad }) =>
    avgPool2d(need(t, 'x'), kernel, { stride, padding, countIncludePad }),
  ),
  global_avgpool2d: single((t) => flatten(adaptiveAvgPool2d(need(t, 'x'), 1), 1)),
  augment_pad_crop_flip: single((t, { pad }) => padCropFlip(need(t, 'x'), need(t, 'offset'), need(t, 'flip'), pad)),
  maxpool2d: single((t, { kernel, stride, padding }) => maxPool2d(need(t, 'x'), kernel, { stride, padding })),
  batchnorm2d: (t, { train, momentum, eps }) => {
    const [runningMean, runningVar] = [need(t, 'running_mean').detach(), need(t, 'running_var').detach()];
    const out = batchNorm2d(need(t, 'x'), {
      weight: need(t, 'gamma'),
      bias: need(t, 'beta'),
      runningMean,
      runningVar,
      training: train,
      momentum,
      eps,
    });
    return new Map([
      ['out', out],
      ['new_running_mean', runningMean],
      ['new_running_var', runningVar],
    ]);
  },
};

const group = loadGolden('ops');

describe('operators against PyTorch in float64', () => {
  it.each(group.cases.map((testCase) => ({ id: testCase.id, testCase })))('$id', async ({ testCase }) => {
    const run = runs[testCase.op];
    if (!run) throw new RangeError(`no operator for ${testCase.op}`);
    for (const createGraph of [false, true]) {
      const inputs = inputsOf(testCase);
      const results = run(inputs, testCase.attrs as Attrs);
      const out = need(results, 'out');
      const dy = inputs.get('dy');
      for (const [key, golden] of testCase.outputs) {
        const result = key.startsWith('d_')
          ? grad(out, [need(inputs, key.slice(2))], {
              createGraph,
              ...(dy ? { gradOutput: dy.reshape(out.shape) } : {}),
            })[0]
          : (results.get(key) ?? out);
        if (!result) throw new RangeError(`${testCase.id}: nothing computes ${key}`);
        expectGolden(await result.data(), golden, OPS, `${testCase.id} ${key}`);
      }
    }
    expect(testCase.outputs.size).toBeGreaterThan(0);
  });
});
