import { at, build, input, type NdArray, type OpReference } from '../reference.js';
import { logProbabilities } from './softmax.js';

/** -ln(1 - p_k) of the strongest class k other than the label; the lowest such k where several tie. */
function rivalTerm(log: NdArray, row: number, label: number, martCompat: boolean): number {
  const [, classes = 0] = log.shape;
  const others = Array.from({ length: classes }, (_, k) => k).filter((k) => k !== label);
  const rival = others.reduce((best, k) => (at(log, [row, k]) > at(log, [row, best]) ? k : best), others[0] ?? 0);
  if (martCompat) return -Math.log(1.0001 - Math.exp(at(log, [row, rival])) + 1e-12);
  const rest = Array.from({ length: classes }, (_, k) => k).filter((k) => k !== rival);
  return -Math.log(rest.reduce((total, k) => total + Math.exp(at(log, [row, k])), 0));
}

/** P = p^T q / m, symmetrised where asked. */
function jointDistribution(p: NdArray, q: NdArray, symmetrize: boolean): NdArray {
  const [m = 0, classes = 0] = p.shape;
  const joint = build([classes, classes], ([a = 0, b = 0]) => {
    let sum = 0;
    for (let i = 0; i < m; i++) sum += Math.exp(at(p, [i, a]) + at(q, [i, b]));
    return sum / m;
  });
  return symmetrize ? build(joint.shape, ([a = 0, b = 0]) => (at(joint, [a, b]) + at(joint, [b, a])) / 2) : joint;
}

function information(joint: NdArray): NdArray {
  const [classes = 0] = joint.shape;
  const marginal = (index: (k: number) => readonly number[]): number =>
    Array.from({ length: classes }, (_, k) => at(joint, index(k))).reduce((total, value) => total + value, 0);
  const rows = Array.from({ length: classes }, (_, a) => marginal((k) => [a, k]));
  const columns = Array.from({ length: classes }, (_, b) => marginal((k) => [k, b]));
  const terms = build(joint.shape, ([a = 0, b = 0]) => {
    const value = at(joint, [a, b]);
    return value * Math.log(value / ((rows[a] ?? 0) * (columns[b] ?? 0)));
  });
  return { shape: [], data: Float64Array.of(terms.data.reduce((total, term) => total + term, 0)) };
}

/** The ops of engine/ops/cross-entropy.ts, boosted-cross-entropy.ts and mutual-information.ts. */
export const lossReferences: Readonly<Record<string, OpReference>> = {
  crossEntropy:
    ({ labelSmoothing }: { labelSmoothing: number }) =>
    ([z, labels]) => {
      const log = logProbabilities(input(z), 1);
      const [rows = 0, classes = 0] = log.shape;
      return build([rows], ([i = 0]) => {
        let sum = 0;
        for (let k = 0; k < classes; k++) {
          const hit = at(input(labels), [i]) === k ? 1 - labelSmoothing : 0;
          sum -= (labelSmoothing / classes + hit) * at(log, [i, k]);
        }
        return sum;
      });
    },
  boostedCrossEntropy:
    ({ martCompat }: { martCompat: boolean }) =>
    ([z, labels]) => {
      const log = logProbabilities(input(z), 1);
      return build(log.shape.slice(0, 1), ([i = 0]) => {
        const label = at(input(labels), [i]);
        return rivalTerm(log, i, label, martCompat) - at(log, [i, label]);
      });
    },
  mutualInformation: ({ symmetrize }: { symmetrize: boolean }) => {
    const joint = (inputs: readonly (NdArray | undefined)[]): NdArray => {
      const [p, q] = inputs.map((z) => logProbabilities(input(z), 1));
      return jointDistribution(input(p), input(q), symmetrize);
    };
    return [(inputs) => information(joint(inputs)), joint];
  },
};
