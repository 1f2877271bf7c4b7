import entriesSource from '../../shaders/mutual_information_entries.wgsl';
import backwardSource from '../../shaders/mutual_information_backward.wgsl';
import fewClassesSource from '../../shaders/mutual_information.wgsl';
import logitsSource from '../../shaders/mutual_information_logits.wgsl';
import rowsSource from '../../shaders/mutual_information_rows.wgsl';
import sumSource from '../../shaders/mutual_information_sum.wgsl';
import termSource from '../../shaders/mutual_information_term.wgsl';
import type { Device } from '../device.js';
import { ShapeError } from '../errors.js';
import { defineKernel, foldWorkgroups } from '../kernel.js';
import { apply, defineOp, expectDType, nth, type BackwardCall, type OutputSpec, type RunCall } from '../op.js';
import { formatShape, sameShape } from '../shape.js';
import type { Tensor } from '../tensor.js';
import { full } from './create.js';
import { add, div, ge, log, maximum, mul, sub, where } from './elementwise.js';
import { gemm } from './gemm.js';
import { matmul } from './matmul.js';
import { transpose } from './movement.js';
import { sum } from './reduce.js';
import { softmax } from './softmax.js';

/**
 * The mutual information between the class assignments of natural and adversarial samples (Atsague, Fakorede, Tian, "A
 * Mutual Information Regularization for Adversarial Training", ACML 2021, eq. 13 and 14, after Ji et al., "Invariant
 * Information Clustering", ICCV 2019), as one op with hand-fused kernels, and as a composition of plain ops.
 */

/** Up to this many classes one dispatch computes everything, and one its gradient. */
const FEW_CLASSES = 32;

/** Entries of the joint distribution below this count as 0; the kernels hold the same constant. */
const SMALLEST_JOINT = 1e-30;

/** Options of `mutualInformation`. */
export interface MutualInformationOptions {
  /** Symmetrise the joint distribution, (J + J^T) / 2, before anything else; true by default. */
  readonly symmetrize?: boolean;
}

/** The mutual information and what it was computed from. */
export interface MutualInformationParts {
  /** The mutual information in nats, a scalar: 0 <= mi <= ln min(C, m) without symmetrisation. */
  readonly mi: Tensor;
  /** The joint distribution `[C, C]`, rows: classes of the natural samples. Differentiable as well. */
  readonly joint: Tensor;
}

interface Attrs {
  readonly symmetrize: boolean;
}

const READ = 'read';
const WRITE = 'write';
const fewClassesKernel = defineKernel({
  name: 'mutual_information',
  source: termSource + fewClassesSource,
  bindings: [READ, READ, WRITE, WRITE, WRITE, WRITE],
});
const backwardKernel = defineKernel({
  name: 'mutual_information_backward',
  source: backwardSource,
  bindings: [READ, READ, READ, WRITE, WRITE],
});
const rowsKernel = defineKernel({
  name: 'mutual_information_rows',
  source: rowsSource,
  bindings: [READ, READ, WRITE, WRITE],
});
const entriesKernel = defineKernel({
  name: 'mutual_information_entries',
  source: termSource + entriesSource,
  bindings: [READ, WRITE, WRITE, WRITE],
});
const sumKernel = defineKernel({ name: 'mutual_information_sum', source: sumSource, bindings: [READ, WRITE] });
const logitsKernel = defineKernel({
  name: 'mutual_information_logits',
  source: logitsSource,
  bindings: [READ, READ, READ, WRITE],
});

const mutualInformationOp = defineOp<Attrs>({
  name: 'mutualInformation',
  summary: 'Mutual information between the class assignments of two batches of logits, in nats.',
  samples: [
    { m: 6, classes: 3, symmetrize: true },
    { m: 6, classes: 3, symmetrize: false },
    { m: 1, classes: 2, symmetrize: true },
    { m: 128, classes: 10, symmetrize: true },
    { m: 3, classes: 37, symmetrize: false },
  ].map(({ m, classes, symmetrize }) => ({
    shapes: [
      [m, classes],
      [m, classes],
    ],
    attrs: { symmetrize },
  })),
  infer: (inputs) => inferOutputs(nth(inputs, 0), nth(inputs, 1)),
  run: (call) => {
    if (classesOf(call.inputs) <= FEW_CLASSES) runFewClasses(call);
    else runManyClasses(call);
  },
  backward: (call) => differentiableBackward(call),
  fusedBackward: (call) => {
    // The kernels know the gradient of the mutual information only, not that of the joint distribution.
    const [upstream, ofJoint] = call.grads;
    if (!upstream || ofJoint) return differentiableBackward(call);
    return classesOf(call.inputs) <= FEW_CLASSES
      ? backwardFewClasses(call, upstream)
      : backwardManyClasses(call, upstream);
  },
});

/**
 * The mutual information, in nats (a scalar, positive: add it to what is maximised), between the class assignments of the
 * natural samples and of the adversarial ones: with p = softmax(natural), q = softmax(adversarial) and
 * P = (1/m) sum_i p_i q_i^T, symmetrised unless told otherwise, sum_ab P_ab ln(P_ab / (P_a. P_.b)).
 *
 * It is one number per batch, of the size m of which its range depends (mi <= ln min(C, m)). Both arguments are logits
 * `[m, C]`, f32; the gradient flows into both. Entries below 1e-30 count as 0 and 0 ln 0 is 0, so logits of any size give
 * finite values. Throws a `ShapeError` or `DTypeError` for anything else.
 */
export function mutualInformation(
  natural: Tensor,
  adversarial: Tensor,
  options: MutualInformationOptions = {},
): Tensor {
  const { mi, joint } = mutualInformationParts(natural, adversarial, options);
  if (!mi.tracksGrad) joint.dispose();
  return mi;
}

/** `mutualInformation` together with the joint distribution; the marginals are its sums along either axis. */
export function mutualInformationParts(
  natural: Tensor,
  adversarial: Tensor,
  { symmetrize = true }: MutualInformationOptions = {},
): MutualInformationParts {
  const [mi, joint, ...saved] = apply(mutualInformationOp, [natural, adversarial], { symmetrize });
  if (!mi || !joint) throw new ShapeError('mutualInformation: has no outputs');
  if (!mi.tracksGrad) for (const tensor of saved) tensor.dispose();
  return { mi, joint };
}

/** `mutualInformation` made of plain differentiable ops: what the fused kernels are proved against. */
export function mutualInformationComposed(
  natural: Tensor,
  adversarial: Tensor,
  { symmetrize = true }: MutualInformationOptions = {},
): Tensor {
  inferOutputs(natural, adversarial);
  const joint = composedJoint(softmax(natural), softmax(adversarial), symmetrize);
  return sum(mul(joint, composedLogRatio(joint)));
}

function inferOutputs(natural: Tensor, adversarial: Tensor): OutputSpec[] {
  expectDType('mutualInformation', [natural, adversarial], 'f32');
  const [m = 0, classes = 0] = natural.shape;
  if (natural.rank !== 2 || m === 0 || classes === 0 || !sameShape(natural.shape, adversarial.shape)) {
    throw new ShapeError(
      `mutualInformation: natural logits ${formatShape(natural.shape)} and adversarial logits ` +
        `${formatShape(adversarial.shape)}; expected two of one shape [m, C], m and C at least 1`,
    );
  }
  const f32 = (...shape: number[]): OutputSpec => ({ shape, dtype: 'f32' });
  const width = widthOf(classes);
  return classes <= FEW_CLASSES
    ? [f32(), f32(classes, classes), f32(classes, width), f32(2, m, width)]
    : [f32(), f32(classes, classes), f32(width, width), f32(m, width), f32(m, width)];
}

/** Columns of the padded tables: a multiple of 4, with room for the column of ones where there are many classes. */
function widthOf(classes: number): number {
  return 4 * Math.ceil((classes <= FEW_CLASSES ? classes : classes + 1) / 4);
}

function classesOf(inputs: readonly Tensor[]): number {
  return nth(inputs, 0).shape[1] ?? 0;
}

/** Threads that share a row or a sum: a subgroup, so that a barrier costs little. */
function lanes({ caps }: Device): number {
  return Math.max(caps.software ? 8 : 32, caps.subgroupSize);
}

/** Entries of the joint distribution that a workgroup takes. */
const ENTRIES = 256;

function runFewClasses({ device, inputs, outputs, attrs }: RunCall<Attrs>): void {
  const [natural, adversarial] = [nth(inputs, 0), nth(inputs, 1)];
  const [mi, joint, logRatio, probabilities] = [nth(outputs, 0), nth(outputs, 1), nth(outputs, 2), nth(outputs, 3)];
  const [m = 0, classes = 0] = natural.shape;
  const width = widthOf(classes);
  const C4 = width / 4;
  const TILES = C4 * C4;
  // Barriers cost software adapters a switch per subgroup, so the workgroup is as small as the tiles allow.
  const WG = device.caps.software ? (TILES <= 32 ? 32 : 64) : 128;
  const SLICES = Math.floor(WG / TILES);
  device.dispatch({
    kernel: fewClassesKernel,
    constants: { C4, TILES, WG, SLICES, SYM: attrs.symmetrize },
    buffers: [natural, adversarial, mi, joint, probabilities, logRatio].map((tensor) => tensor.range),
    uniforms: [m, classes, Math.min(SLICES, m), Math.min(WG, classes * width)],
    workgroups: [1],
  });
}

function backwardFewClasses({ inputs, outputs, needs }: BackwardCall<Attrs>, upstream: Tensor): (Tensor | undefined)[] {
  const [natural, adversarial] = [nth(inputs, 0), nth(inputs, 1)];
  const { device } = natural;
  const [m = 0, classes = 0] = natural.shape;
  const gradients = [device.empty(natural.shape), device.empty(adversarial.shape)];
  const WG = 32;
  device.dispatch({
    kernel: backwardKernel,
    constants: { C4: widthOf(classes) / 4, WG },
    buffers: [nth(outputs, 3), nth(outputs, 2), upstream, ...gradients].map((tensor) => tensor.range),
    uniforms: [m, classes],
    workgroups: [Math.ceil(m / WG)],
  });
  return gradients.map((gradient, index) => (needs[index] ? gradient : undefined));
}

function runManyClasses({ device, inputs, outputs, attrs }: RunCall<Attrs>): void {
  const [natural, adversarial] = [nth(inputs, 0), nth(inputs, 1)];
  const [mi, joint, logRatio] = [nth(outputs, 0), nth(outputs, 1), nth(outputs, 2)];
  const [p, q] = [nth(outputs, 3), nth(outputs, 4)];
  const [m = 0, classes = 0] = natural.shape;
  const width = widthOf(classes);
  const WG = lanes(device);
  device.dispatch({
    kernel: rowsKernel,
    constants: { LANES: WG },
    buffers: [natural.range, adversarial.range, p.range, q.range],
    uniforms: [m, classes, width, Math.min(WG, classes)],
    workgroups: foldWorkgroups(2 * m),
  });
  const chunks = Math.ceil((width * width) / ENTRIES);
  device.scope(() => {
    const sums = device.empty([width, width]);
    gemm(device, { a: p, b: q, out: sums, M: width, N: width, K: m, transA: true });
    const partials = device.empty([chunks]);
    device.dispatch({
      kernel: entriesKernel,
      constants: { WG, ENTRIES, SYM: attrs.symmetrize },
      buffers: [sums.range, joint.range, logRatio.range, partials.range],
      uniforms: [m, classes, width, WG],
      workgroups: foldWorkgroups(chunks),
    });
    device.dispatch({
      kernel: sumKernel,
      constants: { WG },
      buffers: [partials.range, mi.range],
      uniforms: [chunks, Math.min(WG, chunks)],
      workgroups: [1],
    });
  });
}

function backwardManyClasses(
  { inputs, outputs, attrs, needs }: BackwardCall<Attrs>,
  upstream: Tensor,
): (Tensor | undefined)[] {
  const [logRatio, p, q] = [nth(outputs, 2), nth(outputs, 3), nth(outputs, 4)];
  const { device } = logRatio;
  const { shape } = nth(inputs, 0);
  const [m = 0, classes = 0] = shape;
  const width = widthOf(classes);
  const LANES = lanes(device);
  const gradientOf = (own: Tensor, other: Tensor, transB: boolean): Tensor => {
    const [h, gradient] = [device.empty([m, width]), device.empty(shape)];
    gemm(device, { a: other, b: logRatio, out: h, M: m, N: width, K: width, transB });
    device.dispatch({
      kernel: logitsKernel,
      constants: { LANES },
      buffers: [own.range, h.range, upstream.range, gradient.range],
      uniforms: [m, classes, width, Math.min(LANES, classes)],
      workgroups: foldWorkgroups(m),
    });
    h.dispose();
    return gradient;
  };
  // The log-ratios of a symmetrised distribution are their own transpose.
  return [needs[0] ? gradientOf(p, q, !attrs.symmetrize) : undefined, needs[1] ? gradientOf(q, p, false) : undefined];
}

/** The rule for every order, in plain ops: dMI/dJ is the log-ratios, up to constants that the softmax removes. */
function differentiableBackward({ inputs, grads, attrs, needs }: BackwardCall<Attrs>): (Tensor | undefined)[] {
  const [natural, adversarial] = [nth(inputs, 0), nth(inputs, 1)];
  const [p, q] = [softmax(natural), softmax(adversarial)];
  const [ofMi, ofJoint] = grads;
  const parts: Tensor[] = [];
  if (ofMi) parts.push(mul(composedLogRatio(composedJoint(p, q, attrs.symmetrize)), ofMi));
  if (ofJoint) parts.push(attrs.symmetrize ? symmetric(ofJoint) : ofJoint);
  if (parts.length === 0) return [];
  const ofProduct = div(
    parts.reduce((left, right) => add(left, right)),
    natural.shape[0] ?? 1,
  );
  const throughSoftmax = (probabilities: Tensor, h: Tensor): Tensor =>
    mul(probabilities, sub(h, sum(mul(probabilities, h), -1, { keepDim: true })));
  return [
    needs[0] ? throughSoftmax(p, matmul(q, transpose(ofProduct))) : undefined,
    needs[1] ? throughSoftmax(q, matmul(p, ofProduct)) : undefined,
  ];
}

function composedJoint(p: Tensor, q: Tensor, symmetrize: boolean): Tensor {
  const joint = div(matmul(transpose(p), q), p.shape[0] ?? 1);
  return symmetrize ? symmetric(joint) : joint;
}

/** ln(P_ab / (P_a. P_.b)), and 0 where P_ab counts as 0; no logarithm is taken of anything smaller. */
function composedLogRatio(joint: Tensor): Tensor {
  const scalar = (value: number): Tensor => full([], value, { device: joint.device });
  const present = ge(joint, SMALLEST_JOINT);
  const logMarginal = (axis: number): Tensor => log(maximum(sum(joint, axis, { keepDim: true }), SMALLEST_JOINT));
  const ratio = sub(sub(log(where(present, joint, scalar(1))), logMarginal(1)), logMarginal(0));
  return where(present, ratio, scalar(0));
}

function symmetric(x: Tensor): Tensor {
  return mul(add(x, transpose(x)), 0.5);
}
