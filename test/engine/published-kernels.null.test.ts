import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import type { Device } from '../../engine/index.js';
import { publishedText } from '../../scripts/wgsl.mjs';
import { ownDevice } from '../support/device.js';
import { arraysOf, everyCheck, uploadAll } from '../support/records.js';

// Every kernel of this file is compiled from the text that is published.
vi.mock(import('../../engine/template.js'), async (original) => {
  const { specialise } = await original();
  return { specialise: (name, source, constants) => specialise(name, publishedText(source), constants) };
});

let device: Device;
beforeAll(async () => {
  device = await ownDevice();
});
afterAll(() => {
  device.destroy();
});

describe('the kernels as they are published', () => {
  it('compile for every op and in every variant, without a word from the compiler', async () => {
    for (const check of everyCheck()) {
      device.scope(() => check.call(uploadAll(device, check, arraysOf(check))));
    }
    // Trying the variants of one op may ask for another's.
    const seen = new Set<string>();
    for (let more = true; more;) {
      const asked = [...device.variants.asked].filter(({ key }) => !seen.has(key));
      for (const { key, candidates, trial } of asked) {
        seen.add(key);
        device.scope(() => {
          const inputs = trial.inputs();
          candidates.forEach((_, variant) => trial.record(variant, inputs));
        });
      }
      more = asked.length > 0;
    }
    expect(seen.size).toBeGreaterThan(10);
    await device.sync();
    expect(await device.kernelMessages()).toEqual([]);
  });
});

describe('publishedText', () => {
  it('leaves out comments and spaces, and shortens the names that kernels declare', () => {
    const text = publishedText(
      '// Says it.\nfn main() {\n  /* the sum */ let total = 1u + + 2u; // of all\n  var step = total;\n}\n',
    );
    expect(text).toMatch(/^fn main\(\)\{let [a-z]{2}=1u\+ \+2u;var \w+=[a-z]{2};\}\n$/);
  });

  it('keeps what the templating goes by', () => {
    const text = publishedText(
      'enable f16;\n  //#unroll i 0 TM\n  let sum_$[i + 1] = op_$OP(x_$i) - $[TM - 1];\n  //#end\n',
    );
    expect(text).toBe('enable f16;\n//#unroll i 0 TM\nlet sum_$[i + 1]=op_$OP(x_$i)- $[TM - 1];\n//#end\n');
  });
});
