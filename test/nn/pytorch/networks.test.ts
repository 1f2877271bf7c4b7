import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { tensor, type Device } from '../../../engine/index.js';
import {
  Cnn4,
  cnn4,
  mapKeys,
  Sequential,
  StateDictError,
  normalized,
  preactResnet18,
  readPyTorch,
  resnet18,
  saveStateDict,
  stateDictOf,
  wrn,
  type Module,
} from '../../../nn/index.js';
import type { SafetensorsTensor } from '../../../nn/safetensors.js';
import { testDevice } from '../../support/device.js';
import { expectGolden, goldenTolerance } from '../../support/golden.js';
import { EXPECTED, fixture, type ExpectedLogits } from './made-files.js';

let device: Device;
beforeAll(async () => {
  device = await testDevice();
});
afterAll(() => {
  device.destroy();
});

/** The input that PyTorch computed the logits of: see `ExpectedLogits`. */
function inputOf({ shape }: ExpectedLogits): Float32Array<ArrayBuffer> {
  const values = new Float32Array(shape.reduce((product, size) => product * size, 1));
  return values.map((_, at) => ((at * 7919) % 257) / 256);
}

/** That a network has PyTorch's logits; it is disposed of. */
async function expectLogits(model: Module, expected: ExpectedLogits, context: string): Promise<void> {
  const logits = await model.forward(tensor(inputOf(expected), { device, shape: expected.shape })).floats();
  const { norm, f32err } = expected;
  const data = Float64Array.from(expected.logits);
  const golden = { dtype: 'f64', shape: [data.length], data, norm, f32err } as const;
  expectGolden(logits, golden, goldenTolerance.netsEval, context);
  model.dispose();
}

const small = (): Module => new Cnn4({ device, channels: [4, 6], hidden: 12 });

describe('a network that PyTorch saved', () => {
  it.each([
    ['cnn4.pt', 'cnn4', small],
    ['cnn4-legacy.pt', 'cnn4', small],
    ['cnn4-deflated.pt', 'cnn4-deflated', () => cnn4({ device, width: 1 / 32 })],
    ['resnet18-parallel.pt', 'resnet18', () => resnet18({ device, width: 1 / 32 })],
  ] as const)("has PyTorch's logits here: %s", async (file, name, make) => {
    const { [name]: expected } = EXPECTED;
    const model = make().eval();
    const { tensors, ignored, supplied } = mapKeys(stateDictOf(await readPyTorch(fixture(file), file)), model);
    expect([ignored, supplied]).toEqual([[], []]);
    model.loadStateDict(tensors);
    await expectLogits(model, expected, file);
  });

  describe("under the names of DeepMind's code", () => {
    it('is not looked for outside the prefix, nor where two names would become one', async () => {
      const model = wrn({ depth: 10, widen: 1, width: 1 / 8, device });
      const own = await saveStateDict(model);
      const named = (prefix: string) => Object.entries(own).map(([name, value]) => [prefix + name, value] as const);
      const beside = new Map([...named('student.'), ['teacher.layer.0.block.0.conv_0.weight', own['conv1.weight']]] as [
        string,
        SafetensorsTensor,
      ][]);
      expect(mapKeys(beside, model, { prefix: 'student' }).layout).toBeUndefined();
      const both = new Map([...named(''), ['layer.0.block.0.conv_0.weight', own['conv1.weight']]] as [
        string,
        SafetensorsTensor,
      ][]);
      expect(() => mapKeys(both, model)).toThrow(/unexpected layer\.0\.block\.0\.conv_0\.weight/);
      model.dispose();
    });

    it('of grey images, which they pad, is refused', async () => {
      const model = wrn({ depth: 10, widen: 1, width: 1 / 8, inChannels: 1, padding: 'same', device });
      const names = { conv1: 'init_conv', bn1: 'batchnorm', fc: 'logits' } as const;
      const own = Object.entries(await saveStateDict(model)).map(([name, value]) => [
        name
          .replace(/^(conv1|bn1|fc)\b/, (part) => names[part as keyof typeof names])
          .replace(
            /^block(\d)\.layer\.(\d)\./,
            (_, stage: string, block: string) => `layer.${Number(stage) - 1}.block.${block}.`,
          )
          .replace(/\.bn([12])\./, (_, part: string) => `.batchnorm_${Number(part) - 1}.`)
          .replace(/\.conv([12])\./, (_, part: string) => `.conv_${Number(part) - 1}.`)
          .replace('.convShortcut.', '.shortcut.'),
        value,
      ]);
      const state = Object.fromEntries(own) as Record<string, SafetensorsTensor>;
      expect(Object.keys(state)).toContain('layer.0.block.0.conv_0.weight');
      expect(() => mapKeys(state, model)).toThrow(/networks for grey images take them with zeros around them/);
      model.dispose();
    });

    const expected = JSON.parse(new TextDecoder().decode(fixture('deepmind.json'))) as ExpectedLogits;
    const state = async () => stateDictOf(await readPyTorch(fixture('deepmind.pt'), 'deepmind.pt'));
    const small = { depth: 16, widen: 2, width: 1 / 8 } as const;

    it("has PyTorch's logits here, with padding 'same' and its own normalisation", async () => {
      const model = wrn({ ...small, device, padding: 'same', activation: 'silu' });
      const { tensors, normalization, layout, ignored, prefix } = mapKeys(await state(), model);
      expect([layout, prefix]).toEqual(['deepmind', '0.']);
      expect(ignored.map(({ name }) => name)).toEqual(['module.0.mean', 'module.0.std']);
      expect(normalization?.mean.map(Math.fround)).toEqual([0.4914, 0.4822, 0.4465].map(Math.fround));
      model.loadStateDict(tensors);
      if (normalization) await expectLogits(normalized(model, normalization).eval(), expected, 'deepmind.pt');
    });

    it('is refused by a network that pads in another way', async () => {
      const model = wrn({ ...small, device, activation: 'silu' });
      const padding = /the names of DeepMind's code, .* with padding 'same' \(--set padding=same of bulwark convert\)/;
      const values = await state();
      expect(() => mapKeys(values, model)).toThrow(padding);
      // Also within something else; where the names do not fit, that is what is told.
      expect(() => mapKeys(values, new Sequential(model))).toThrow(padding);
      const other = preactResnet18({ device, width: 1 / 32 });
      expect(() => mapKeys(values, other)).toThrow(StateDictError);
      other.dispose();
      model.dispose();
    });
  });
});
