import { existsSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { readPyTorch } from '../../nn/index.js';
import { decodeSafetensors, encodeSafetensors } from '../../nn/safetensors.js';
import { fixture } from '../nn/pytorch/made-files.js';

describe('a Buffer, whose slices are views', () => {
  it('is read as any other bytes, as safetensors and as a checkpoint of PyTorch', async () => {
    const file = encodeSafetensors({ a: { dtype: 'F32', shape: [2], data: Float32Array.of(1, 2) } }, { b: 'c' });
    expect(decodeSafetensors(Buffer.from(file), 'buffer')).toEqual(decodeSafetensors(file, 'buffer'));
    const pickled = fixture('tiny.pt');
    expect(await readPyTorch(Buffer.from(pickled), 'buffer')).toEqual(await readPyTorch(pickled, 'buffer'));
  });
});

describe('a checkpoint that would run a command when it is unpickled', () => {
  it.each(['hostile-system.pt', 'hostile-eval.pt'])('runs none: %s', async (name) => {
    await expect(readPyTorch(fixture(name), name)).rejects.toThrow(/nothing was executed/);
    expect(existsSync('bulwark-was-here')).toBe(false);
  });
});
