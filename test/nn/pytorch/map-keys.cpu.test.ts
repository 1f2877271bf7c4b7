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
    expect(() => mapKeys(state, model)).toThrow(
      /several times; say which by its prefix \(.*\): 'student\.', 'teacher\.'$/,
    );
  });

  /** The network twice, the first time with other values. */
  const twice = (first: string, second: string, more: Readonly<Record<string, SafetensorsTensor>> = {}) =>
    new Map([
      ...Object.entries(SHAPES).map(([name, shape]) => [first + name, floats(shape, 9)] as const),
      ...stateOf((name) => second + name, more),
    ]);

  it.each([
    ['student.', 'ema.', 'ema.'],
    ['student.', 'ema.', 'ema'],
    ['module.student.', 'module.ema.', 'module.ema.'],
    ['module.student.', 'module.ema.', 'ema'],
    ['', 'ema.', 'ema.'],
    ['ema.', '', ''],
    ['module.ema.', 'module.', 'module.'],
    ['model.ema.', 'model.', 'model'],
    ['model.', 'attacker.model.', 'attacker.model'],
    ['student_', 'ema_', 'ema_'],
  ])('takes the copy that is asked for, and leaves out the other: beside %s, %s by %s', (first, second, prefix) => {
    const state = twice(first, second);
    const { tensors, ignored } = mapKeys(state, model, { prefix });
    expect(tensors).toEqual(own);
    expect(ignored).toEqual(Object.keys(SHAPES).map((name) => ({ name: first + name, reason: 'outside the prefix' })));
  });

  it('finds the constants of a normalisation outside the prefix, the nearest first', () => {
    const constant = (value: number) => floats([1, 1, 1], value);
    const state = twice('model.', 'attacker.model.', {
      'normalizer.new_mean': constant(0.5),
      'normalizer.new_std': constant(1),
      'attacker.normalize.new_mean': constant(0.25),
      'attacker.normalize.new_std': constant(2),
    });
    const found = (prefix: string) => mapKeys(state, model, { prefix }).normalization;
    expect(found('model.')).toEqual({ mean: [0.5], std: [1] });
    expect(found('attacker.model.')).toEqual({ mean: [0.25], std: [2] });
    // Of the other network, as a layer before it or its own: not this one's.
    for (const layer of ['student.0.', 'student.']) {
      const pair = { [`${layer}mean`]: constant(0.5), [`${layer}std`]: constant(1) };
      const { normalization, ignored } = mapKeys(twice('student.1.', 'teacher.', pair), model, { prefix: 'teacher' });
      expect(normalization).toBeUndefined();
      expect(ignored).toContainEqual({ name: `${layer}mean`, reason: 'outside the prefix' });
    }
  });

  it('refuses names under the prefix that the model has not, and a prefix that nothing has', () => {
    const state = twice('student.', 'ema.', { 'ema.extra': floats([1]) });
    expect(() => mapKeys(state, model, { prefix: 'ema' })).toThrow(/\n {2}unexpected ema\.extra$/);
    expect(() => mapKeys(state, model, { prefix: 'emma' })).toThrow(/no name that begins with the prefix 'emma'/);
    expect(() => mapKeys(state, model, { prefix: '\x1b[2J' })).toThrow(/the prefix '\?\[2J'/);
  });

  const typed = {
    stateDict: () =>
      new Map(
        Object.entries(SHAPES).map(([name, shape]) => {
          return [name, { shape, dtype: name.endsWith('tracked') ? ('i32' as const) : ('f32' as const) }];
        }),
      ),
  };
  const COUNTER = 'layer1.0.bn1.num_batches_tracked';

  it.each([
    ['F32', { dtype: 'F32', shape: [], data: Float32Array.of(391) }],
    ['F64', { dtype: 'F64', shape: [], data: Float64Array.of(391) }],
    ['F16', { dtype: 'F16', shape: [], data: Uint16Array.of(0x5e1c) }],
    ['F32, not whole', { dtype: 'F32', shape: [], data: Float32Array.of(390.5) }],
  ] as const)('makes integers of counters that averaging made floats: %s', (_, counter) => {
    const { tensors } = mapKeys(stateOf(undefined, { [COUNTER]: counter }), typed);
    expect(tensors[COUNTER]).toEqual({ dtype: 'I64', shape: [], data: BigInt64Array.of(391n) });
  });

  it('lists types that do not fit', () => {
    const state = stateOf(undefined, {
      [COUNTER]: floats([], NaN),
      'fc.weight': { dtype: 'I64', shape: [3, 2], data: new BigInt64Array(6) },
    });
    const mismatched = (): unknown => {
      try {
        return mapKeys(state, typed);
      } catch (error) {
        return error instanceof StateDictError ? error.mismatched : error;
      }
    };
    expect(mismatched()).toEqual([`${COUNTER} has dtype F32, expected i32`, 'fc.weight has dtype I64, expected f32']);
    state.set('fc.weight', floats([3, 2]));
    state.set(COUNTER, { dtype: 'I64', shape: [], data: BigInt64Array.of(2n ** 40n) });
    expect(mismatched()).toEqual([`${COUNTER} holds 1099511627776, which does not fit i32`]);
  });

  it('shows names from a file without what a terminal would obey', () => {
    const error = refusal(stateOf(undefined, { '\x1b[2Jw': floats([1]) }));
    expect(error.unexpected).toEqual(['\x1b[2Jw']);
    expect(error.message).toContain('unexpected ?[2Jw');
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
