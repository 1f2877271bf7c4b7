import { backward } from '../autograd.js';
import { Tensor } from '../tensor.js';
import { onesLike, zerosLike } from './create.js';
import * as activation from './activation.js';
import * as elementwise from './elementwise.js';
import { chunk, flip, pad, repeat, split, tile } from './arrange.js';
import { gather, indexSelect } from './indexing.js';
import { expand, flatten, permute, reshape, slice, squeeze, transpose, unsqueeze } from './movement.js';
import { argmax, argmin, max, mean, min, sum } from './reduce.js';
import { sort, topk } from './sort.js';
import { all, any, cumsum, norm, prod, std, variance } from './statistics.js';
import { logSoftmax, logSumExp, softmax } from './softmax.js';
import { matmul } from './matmul.js';

/** The ops that are methods too: functions whose first argument is the tensor. */
const methods = {
  ...elementwise,
  ...activation,
  onesLike,
  zerosLike,
  gather,
  indexSelect,
  flip,
  pad,
  split,
  chunk,
  tile,
  repeat,
  expand,
  flatten,
  permute,
  reshape,
  slice,
  squeeze,
  transpose,
  unsqueeze,
  argmax,
  argmin,
  max,
  mean,
  min,
  sum,
  var: variance,
  std,
  prod,
  norm,
  any,
  all,
  cumsum,
  sort,
  topk,
  softmax,
  logSoftmax,
  logSumExp,
  matmul,
  backward,
};

type Method<F> = F extends (x: Tensor, ...rest: infer R) => infer O ? (...rest: R) => O : never;

/** The methods of a tensor that are operations; each is documented at the function of the same name. */
export type TensorMethods = { [K in keyof typeof methods]: Method<(typeof methods)[K]> };

declare module '../tensor.js' {
  // The methods follow from the functions, so they are declared by their type alone.
  // eslint-disable-next-line @typescript-eslint/no-empty-object-type
  interface Tensor extends TensorMethods {}
}

for (const [name, method] of Object.entries(methods)) {
  Object.defineProperty(Tensor.prototype, name, {
    configurable: true,
    writable: true,
    value(this: Tensor, ...rest: unknown[]): unknown {
      return Reflect.apply(method, undefined, [this, ...rest]);
    },
  });
}
