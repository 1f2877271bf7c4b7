import { Generator, type GeneratorState } from '../../../engine/random.js';
import { input, type OpReference } from '../reference.js';

/**
 * The op of engine/ops/random.ts. Its mask comes from the generator on the CPU, which has tests of its own against published vectors:
 * the one import from the engine here.
 */
export const randomReferences: Readonly<Record<string, OpReference>> = {
  dropout:
    ({ p, start }: { p: number; start: () => GeneratorState }) =>
    ([x]) => {
      const { shape, data } = input(x);
      const words = Generator.fromState(start()).words(data.length);
      const least = Math.round(p * 2 ** 24);
      return { shape, data: data.map((value, at) => ((words[at] ?? 0) >>> 8 >= least ? value / (1 - p) : 0)) };
    },
};
