import { describe, expect, it } from 'vitest';
import { ArgumentError } from '../../../engine/errors.js';
import { StateDictError, mapKeys, type NamedValues } from '../../../nn/index.js';
import type { SafetensorsTensor } from '../../../nn/safetensors.js';

/** The names and shapes of a small network. */
const SHAPES: Readonly<Record<string, readonly number[]>> = {
  'conv1.weight': [2, 1, 3, 3],
  'layer1.0.conv1.weight': [2, 2, 3, 3],
  'layer1.0.bn1.weight': [2],
  'layer1.0.bn1.num_batches_tracked': [],
  'fc.weight': [3, 2],
};
const model = {
  stateDict: () => new Map(Object.entries(SHAPES).map(([name, shape]) => [name, { shape }])),
};

function floats(shape: readonly number[], value = 1): SafetensorsTensor {
  return { dtype: 'F32', shape, data: new Float32Array(shape.reduce((a, b) => a * b, 1)).fill(value) };
}

/** The network's state under other names, with more beside it. */
function stateOf(
  rename: (name: string) => string = (name) => name,
  more: Readonly<Record<string, SafetensorsTensor>> = {},
): Map<string, SafetensorsTensor> {
  const own = Object.entries(SHAPES).map(([name, shape], index) => [rename(name), floats(shape, index)] as const);
  return new Map([...own, ...Object.entries(more)]);
}

function refusal(state: NamedValues): StateDictError {
  try {
    mapKeys(state, model);
  } catch (error) {
    if (error instanceof StateDictError) return error;
    throw error;
  }
  throw new Error('the state was taken');
}

describe('mapKeys', () => {
  const own = Object.fromEntries(stateOf());

  it.each([
    ['nothing', (name: string) => name, ''],
    ['DataParallel', (name: string) => `module.${name}`, ''],
    ['torch.compile', (name: string) => `_orig_mod.${name}`, ''],
    ['both, in either order', (name: string) => `_orig_mod.module.${name}`, ''],
    ['a wrapper of a part', (name: string) => name.replace('layer1.', 'layer1.module.'), ''],
    ['a model in a model', (name: string) => `model.${name}`, 'model.'],
    ['a Sequential', (name: string) => `1.${name}`, '1.'],
    ['all of it', (name: string) => `module.model.net.module.${name}`, 'model.net.'],
  ])('takes off what wrappers add: %s', (_, rename, prefix) => {
    const state = stateOf(rename);
    const mapped = mapKeys(state, model);
    expect(mapped).toEqual({ tensors: own, prefix, ignored: [], supplied: [], normalization: undefined });
    expect(mapKeys(Object.fromEntries(state), model)).toEqual(mapped);
  });

  const mean = { ...floats([1, 3, 1, 1]), data: Float32Array.of(0.5, 0.25, 0.125) } as SafetensorsTensor;
  const std = { ...floats([1, 3, 1, 1]), data: Float32Array.of(0.25, 0.5, 1) } as SafetensorsTensor;

  it.each([
    ['normalize.mean', 'normalize.std', 'model.'],
    ['0.mean', '0.std', '1.'],
    ['mean', 'std', ''],
    ['mu', 'sigma', ''],
    ['module.normalizer.mu', 'module.normalizer.std', 'module.net.'],
  ])('gives the normalisation of a wrapper: %s', (first, second, prefix) => {
    const { tensors, ignored, normalization } = mapKeys(
      stateOf((name) => prefix + name, { [first]: mean, [second]: std }),
      model,
    );
    expect(tensors).toEqual(own);
    expect(normalization).toEqual({ mean: [0.5, 0.25, 0.125], std: [0.25, 0.5, 1] });
    expect(ignored.map(({ name }) => name)).toEqual([first, second]);
  });

  it('takes no half a normalisation, nor one that divides by 0', () => {
    expect(refusal(stateOf(undefined, { mean })).unexpected).toEqual(['mean']);
    expect(refusal(stateOf(undefined, { mean, std: floats([3], 0) })).unexpected).toEqual(['mean', 'std']);
    expect(refusal(stateOf(undefined, { mean, std: floats([2, 2]) })).unexpected).toEqual(['mean', 'std']);
  });

  it("leaves out the block that TRADES' WideResNet never uses, and counters", () => {
    const dead = 'module.sub_block1.layer.0.conv1.weight';
    const counter = 'module.fc.num_batches_tracked';
    const state = stateOf((name) => `module.${name}`, {
      [dead]: floats([2]),
      [counter]: floats([]),
      n_averaged: floats([]),
    });
    const { tensors, ignored } = mapKeys(state, model);
    expect(tensors).toEqual(own);
    expect(ignored).toEqual([
      { name: dead, reason: "a block that TRADES' WideResNet has and never uses" },
      { name: counter, reason: 'a counter of batches, which the model does not keep' },
      { name: 'n_averaged', reason: 'a counter of averaged models' },
    ]);
  });

  it('does with old states, which have no counters of batches', () => {
    const state = stateOf((name) => `module.${name}`);
    state.delete('module.layer1.0.bn1.num_batches_tracked');
    const { tensors, supplied } = mapKeys(state, model);
    expect(supplied).toEqual(['layer1.0.bn1.num_batches_tracked']);
    expect(tensors['layer1.0.bn1.num_batches_tracked']).toEqual({
      dtype: 'I64',
      shape: [],
      data: BigInt64Array.of(0n),
    });
    expect(Object.keys(tensors).sort()).toEqual(Object.keys(SHAPES).sort());
  });

  it('lists everything that does not fit, under the names of the model', () => {
    const extra = Object.fromEntries(Array.from({ length: 30 }, (_, index) => [`model.extra${index}`, floats([1])]));
    const state = stateOf((name) => `model.${name}`, extra);
    state.delete('model.conv1.weight');
    state.set('model.fc.weight', floats([10, 2]));
    // The model's order, whatever the file's.
    state.delete('model.layer1.0.bn1.weight');
    state.set('model.layer1.0.bn1.weight', floats([4]));
    const error = refusal(state);
    expect(error.missing).toEqual(['conv1.weight']);
    expect(error.unexpected).toEqual(Object.keys(extra));
    expect(error.mismatched).toEqual([
      'layer1.0.bn1.weight has shape [4], expected [2]',
      'fc.weight has shape [10, 2], expected [3, 2]',
    ]);
    expect(error.message.split('\n')).toHaveLength(1 + 1 + 30 + 2);
    expect(refusal(new Map([['other', floats([1])]])).missing).toHaveLength(4);
  });

  it('asks which, where the network is there several times', () => {
    const state = new Map([...stateOf((name) => `student.${name}`), ...stateOf((name) => `teacher.${name}`)]);
    expect(() => mapKeys(state, model)).toThrow(ArgumentError);
    expect(() => mapKeys(state, model)).toThrow(/several times; say which by its prefix: 'student\.', 'teacher\.'$/);
    // Said which, the other one is what the model does not have.
    expect(() => mapKeys(state, model, { prefix: 'teacher.' })).toThrow(/unexpected student\.conv1\.weight/);
  });

  it('keeps the names of a model that has such parts itself', () => {
    const shapes = new Map([
      ['module.w', { shape: [1] }],
      ['w', { shape: [1] }],
    ]);
    const state = new Map([
      ['module.w', floats([1], 1)],
      ['w', floats([1], 2)],
    ]);
    expect(mapKeys(state, { stateDict: () => shapes }).tensors).toEqual(Object.fromEntries(state));
  });
});
