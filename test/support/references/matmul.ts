import { at, broadcast, build, input, type NdArray, type OpReference, type Reference } from '../reference.js';

/** The product of the last two axes, either exchanged, the others broadcast. */
export function product({ transA = false, transB = false }: { transA?: boolean; transB?: boolean } = {}): Reference {
  return (inputs) => {
    const [a, b] = [input(inputs[0]), input(inputs[1])];
    const matrix = ({ shape }: NdArray, turned: boolean): [number, number] => {
      const [rows = 0, columns = 0] = shape.slice(-2);
      return turned ? [columns, rows] : [rows, columns];
    };
    const [[M, K], [, N]] = [matrix(a, transA), matrix(b, transB)];
    const batch = broadcast([a.shape.slice(0, -2), b.shape.slice(0, -2)]);
    return build([...batch, M, N], (index) => {
      const [lead, m = 0, n = 0] = [index.slice(0, -2), index.at(-2), index.at(-1)];
      let sum = 0;
      for (let k = 0; k < K; k++) {
        sum += at(a, [...lead, ...(transA ? [k, m] : [m, k])]) * at(b, [...lead, ...(transB ? [n, k] : [k, n])]);
      }
      return sum;
    });
  };
}

/** The ops of engine/ops/matmul.ts. */
export const matmulReferences: Readonly<Record<string, OpReference>> = {
  matmul: product,
  linear:
    () =>
    ([x, weight, bias]) => {
      const y = product({ transB: true })([input(x), input(weight)]);
      return build(y.shape, (index) => at(y, index) + at(input(bias), index.slice(-1)));
    },
};
