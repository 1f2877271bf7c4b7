import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import {
  adapterKey,
  compile,
  conv2d,
  indexedDBVariants,
  matmul,
  tensor,
  tune,
  useVariantStore,
  type Device,
  type Tensor,
  type VariantEntries,
  type VariantStore,
} from '../../engine/index.js';
import { convVariants, convGeometry } from '../../engine/ops/conv.js';
import { bucket, type VariantTrial } from '../../engine/variants.js';
import { testDevice } from '../support/device.js';
import { uniformFloats } from '../support/values.js';

let device: Device;
beforeEach(async () => {
  device = await testDevice();
});
afterEach(() => {
  device.destroy();
});

const draw = (shape: number[], seed: number): Tensor => {
  const size = shape.reduce((product, extent) => product * extent, 1);
  return tensor(uniformFloats(size, seed, -1, 1), { device, shape });
};

const CONV: [number[], number[]] = [
  [2, 8, 9, 9],
  [8, 8, 3, 3],
];

/** Labels of the dispatches that `fn` makes. */
function labelsOf(fn: () => void): string[] {
  const labels: string[] = [];
  const dispatch = device.dispatch.bind(device);
  device.dispatch = (call) => {
    labels.push(call.label ?? call.kernel.name);
    dispatch(call);
  };
  fn();
  device.dispatch = dispatch;
  return labels;
}

/** A store that holds what it is given. */
function memory(entries?: VariantEntries): VariantStore & { saved: Map<string, VariantEntries> } {
  const saved = new Map<string, VariantEntries>();
  if (entries) saved.set(adapterKey(device.caps), entries);
  return {
    saved,
    load: (adapter) => Promise.resolve(saved.get(adapter)),
    save: (adapter, chosen) => Promise.resolve(void saved.set(adapter, chosen)),
  };
}

describe('tune', () => {
  it('measures what was computed, keeps the fastest that agrees, and goes by it', async () => {
    const [x, weight] = [draw(CONV[0], 1), draw(CONV[1], 2)];
    const before = await conv2d(x, weight, null, { padding: 1 }).floats();
    const [a, b] = [draw([33, 20], 3), draw([20, 17], 4)];
    matmul(a, b);
    const asked = device.variants.asked.map(({ key }) => key);
    expect(asked.some((key) => key.startsWith('conv2d forward|n2|groups1|c8|k8|'))).toBe(true);
    expect(asked.some((key) => key.startsWith('matmul|a b|m64 odd|n32 odd|k32|'))).toBe(true);
    const tuned = await tune(device, { budget: 60_000 });
    expect(tuned.map(({ key }) => key)).toEqual(expect.arrayContaining(asked));
    expect(device.variants.isAsked).toBe(false);
    for (const { chosen, times } of tuned) {
      const measured = times.filter(({ ms }) => ms !== undefined);
      const best = Math.min(...measured.map(({ ms }) => ms ?? Infinity));
      // By a browser's coarse clock several may be the fastest.
      expect(measured.filter(({ ms }) => ms === best).map(({ variant }) => variant)).toContainEqual(chosen);
    }
    const after = await conv2d(x, weight, null, { padding: 1 }).floats();
    after.forEach((value, at) => expect(value).toBeCloseTo(before[at] ?? NaN, 4));
    expect(device.variants.isAsked).toBe(false);
  });

  it('leaves what there is no time for', async () => {
    matmul(draw([9, 9], 1), draw([9, 9], 2));
    expect(await tune(device, { budget: 0 })).toEqual([]);
    expect(device.variants.isAsked).toBe(true);
  });

  it('leaves nothing behind', async () => {
    matmul(draw([9, 9], 1), draw([9, 9], 2));
    const { tensors } = device.memory();
    await tune(device, { budget: 60_000 });
    // The table of the random numbers stays for the device's life.
    expect(device.memory().tensors - tensors).toBeLessThanOrEqual(1);
  });

  it('admits no variant that disagrees with the plain one', async () => {
    const trial: VariantTrial = {
      plain: 1,
      inputs: () => [draw([5], 1)],
      record: (variant, [x]) => (x ?? draw([5], 1)).mul([2, 1, 1 + 1e-6, NaN][variant] ?? 0),
    };
    const candidates = ['wrong', 'plain', 'rounded', 'broken'];
    expect(device.variants.choose('test', candidates, () => trial)).toBe(0);
    // A clock that goes by how often it is looked at: however slow the machine, there is time for all of them.
    let now = 0;
    const clock = vi.spyOn(performance, 'now').mockImplementation(() => (now += 0.1));
    const [tuned] = await tune(device, { budget: 60_000 }).finally(() => clock.mockRestore());
    const measured = tuned?.times.filter(({ ms }) => ms !== undefined).map(({ variant }) => variant);
    expect(measured).toEqual(['plain', 'rounded']);
    expect(['plain', 'rounded']).toContain(tuned?.chosen);
  });

  it('is remembered by a store, for the next device', async () => {
    const store = memory();
    await useVariantStore(device, store);
    conv2d(draw(CONV[0], 1), draw(CONV[1], 2), null, { padding: 1 });
    await tune(device, { budget: 60_000 });
    const saved = store.saved.get(adapterKey(device.caps));
    expect(saved).toEqual(device.variants.entries());
    device.destroy();
    device = await testDevice();
    await useVariantStore(device, store);
    expect(device.variants.entries()).toEqual(saved);
    conv2d(draw(CONV[0], 1), draw(CONV[1], 2), null, { padding: 1 });
    expect(device.variants.isAsked).toBe(Object.keys(saved ?? {}).length === 0);
  });
});

describe('a device that goes by other choices', () => {
  it('keeps what it measures beside what is stored', async () => {
    const store = memory({ 'a key': 'measured elsewhere' });
    await useVariantStore(device, store);
    device.variants.replace({});
    expect(device.variants.entries()).toEqual({});
    conv2d(draw(CONV[0], 1), draw(CONV[1], 2), null, { padding: 1 });
    await tune(device, { budget: 60_000 });
    expect(store.saved.get(adapterKey(device.caps))).toEqual({
      ...device.variants.entries(),
      'a key': 'measured elsewhere',
    });
  });
});

describe('chosen variants', () => {
  it('each compute the same, at the device that was told so', async () => {
    const [x, weight] = [draw(CONV[0], 1), draw(CONV[1], 2)];
    const run = (): Tensor => conv2d(x, weight, null, { padding: 1 });
    const expected = await run().floats();
    const [key = ''] = device.variants.asked.map((choice) => choice.key);
    for (const variant of convVariants(
      device.caps,
      'forward',
      convGeometry('test', CONV[0], CONV[1], { padding: 1 }),
    )) {
      device.variants.set(key, variant);
      const labels = labelsOf(() => void run());
      expect(labels.some((label) => label.includes(variant.replace(/\d/, '')))).toBe(true);
      (await run().floats()).forEach((value, at) => expect(value).toBeCloseTo(expected[at] ?? NaN, 4));
    }
  });

  it('that cannot run here are not taken', async () => {
    const run = (): Tensor => matmul(draw([8, 8], 1), draw([8, 8], 2));
    run();
    const [key = ''] = device.variants.asked.map((choice) => choice.key);
    device.variants.set(key, { kind: 'tensor cores', tile: 16 });
    expect(await run().floats()).toHaveLength(64);
  });

  it('have captured functions captured anew', async () => {
    const weight = draw(CONV[1], 2);
    const compiled = compile((x: Tensor) => conv2d(x, weight, null, { padding: 1 }));
    const x = draw(CONV[0], 1);
    const before = await compiled(x).floats();
    const { pipelines } = device.counters;
    const [key = ''] = device.variants.asked.map((choice) => choice.key);
    device.variants.set(key, 'plain');
    const after = await compiled(x).floats();
    after.forEach((value, at) => expect(value).toBeCloseTo(before[at] ?? NaN, 4));
    expect(device.counters.pipelines).toBeGreaterThan(pipelines);
    expect(compiled.plans).toBe(1);
    compiled.dispose();
  });

  it('go by magnitudes', () => {
    expect([0, 1, 2, 3, 64, 65].map(bucket)).toEqual([0, 1, 2, 4, 64, 128]);
  });
});

describe('indexedDBVariants', () => {
  it('keeps nothing, and does not mind, where there is no IndexedDB', async () => {
    vi.stubGlobal('indexedDB', undefined);
    try {
      const store = indexedDBVariants();
      await store.save('an adapter', { key: 'plain' });
      expect(await store.load('an adapter')).toBeUndefined();
    } finally {
      vi.unstubAllGlobals();
    }
  });
});
