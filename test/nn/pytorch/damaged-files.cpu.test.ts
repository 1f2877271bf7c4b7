/** Every cut and many a damage of whole files: the readers give a typed error or a value, and nothing else. */
import { deflateSync } from 'fflate';
import { describe, expect, it } from 'vitest';
import { FormatError } from '../../../engine/errors.js';
import { isPyTorch, readPyTorch } from '../../../nn/index.js';
import { isValue } from '../../../nn/pytorch/pickle.js';
import { decodeSafetensors, encodeSafetensors } from '../../../nn/safetensors.js';
import { latin1 } from '../../support/bytes.js';
import { uniformFloats } from '../../support/values.js';
import { fixture, pickleOf, tensorOps, text, torchFile, zipOf } from './made-files.js';

/** What reading gives: 'value', or 'refused'. Any other error than a FormatError fails the test, with the damage's name. */
async function outcome(bytes: Uint8Array, damage: string): Promise<'value' | 'refused'> {
  try {
    const { value } = await readPyTorch(bytes, 'damaged');
    if (!isValue(value)) throw new Error(`${damage}: gives something other than values`);
    return 'value';
  } catch (error) {
    if (!(error instanceof FormatError)) throw new Error(damage, { cause: error });
    if (!error.message.startsWith('damaged: ')) throw new Error(`${damage}: does not name the file`, { cause: error });
    return 'refused';
  }
}

const FLIPS = [0x01, 0x80, 0xff];

async function expectReadable(file: Uint8Array<ArrayBuffer>, flips: readonly number[] = FLIPS): Promise<number> {
  let values = 0;
  for (let at = 0; at < file.length; at++) {
    if ((await outcome(file.subarray(0, at), `cut at ${at}`)) === 'value') throw new Error(`cut at ${at}: is taken`);
    for (const flip of flips) {
      const damaged = file.slice();
      damaged[at] = (damaged[at] ?? 0) ^ flip;
      if ((await outcome(damaged, `byte ${at} ^ ${flip}`)) === 'value') values++;
    }
  }
  return values;
}

/** A small pickle with most of what there is in files. */
const PICKLE = pickleOf(
  `}q\0(${text('w')}${tensorOps({ count: 4, shape: [2, 2], strides: [1, 2] })}${text('n')}K\x05${text('l')}`,
  `](K\x01G\x3f\xf0\0\0\0\0\0\0J\xff\xff\xff\xff\x88N\x8a\x02\xff\x01e`,
  `${text('s')}c__builtin__\nset\n](K\x01e\x85R${text('b')}c_codecs\nencode\n${text('a')}${text('latin1')}\x86Ru`,
);
const STORAGE = new Uint8Array(Float32Array.of(1, 2, 3, 4).buffer);

describe('a damaged file', () => {
  it('of torch.save is refused, or gives values', async () => {
    await expectReadable(fixture('tiny.pt'));
  });

  it('of the older format is refused, or gives values', async () => {
    const file = fixture('tiny-legacy.pt');
    expect(isPyTorch(file)).toBe(true);
    expect(await expectReadable(file)).toBeGreaterThan(100);
  });

  it('that is deflated is refused, or gives values', async () => {
    const members = [
      { name: 'a/data.pkl', bytes: PICKLE, deflated: true },
      { name: 'a/data/0', bytes: STORAGE, deflated: true },
    ];
    await expectReadable(zipOf(members), [0x01, 0xff]);
  });

  it('whose checksums are right is refused, or gives values', async () => {
    let values = 0;
    for (let at = 0; at < PICKLE.length; at++) {
      for (let byte = 0; byte < 256; byte += at < 12 ? 1 : 17) {
        const damaged = torchFile(PICKLE.with(at, byte), { 0: STORAGE });
        if ((await outcome(damaged, `byte ${at} is ${byte}`)) === 'value') values++;
      }
    }
    expect(values).toBeGreaterThan(100);
  });

  it('of operations in any order is refused, or gives values', async () => {
    const cases = Number(import.meta.env['BULWARK_FUZZ_CASES'] ?? 2000);
    const random = uniformFloats(cases * 40, Number(import.meta.env['BULWARK_FUZZ_SEED'] ?? 1));
    const codes = [...latin1('N\x88K\x8a](}t)\x85\x86\x87aeus\x8f\x90\x91q\x94hRbQ01X\x93'), 0, 1, 2];
    for (let index = 0; index < cases; index++) {
      const operations = random.subarray(index * 40, index * 40 + 40);
      const bytes = Array.from(operations, (value) => codes[Math.floor(Math.abs(value) * codes.length)] ?? 0);
      await outcome(torchFile(pickleOf(...bytes)), `case ${index}`);
    }
  });

  it('of safetensors is refused, or gives tensors', () => {
    const file = encodeSafetensors(
      {
        w: { dtype: 'F32', shape: [2, 1], data: Float32Array.of(1, 2) },
        m: { dtype: 'BOOL', shape: [2], data: Uint8Array.of(1, 0) },
      },
      { model: 'cnn4' },
    );
    const decode = (bytes: Uint8Array, damage: string): number | undefined => {
      try {
        return Object.keys(decodeSafetensors(bytes, 'damaged').tensors).length;
      } catch (error) {
        if (error instanceof FormatError) return undefined;
        throw new Error(damage, { cause: error });
      }
    };
    for (let at = 0; at < file.length; at++) {
      expect(decode(file.subarray(0, at), `cut at ${at}`)).toBeUndefined();
      const counts = Array.from({ length: 8 }, (_, bit) =>
        decode(file.with(at, (file[at] ?? 0) ^ (1 << bit)), `byte ${at}, bit ${bit}`),
      );
      expect(new Set([...counts, 2, undefined])).toEqual(new Set([2, undefined]));
    }
  });

  it('that inflates to more than it says is stopped early', async () => {
    const bomb = deflateSync(new Uint8Array(2 ** 24));
    const file = zipOf([{ name: 'a/data.pkl', bytes: bomb, lie: { method: 8 } }]);
    await expect(readPyTorch(file, 'damaged')).rejects.toThrow(/unpacks to more than the \d+ bytes/);
  });
});
