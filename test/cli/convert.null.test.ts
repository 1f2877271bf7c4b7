import { copyFile, readFile, writeFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { beforeEach, describe, expect, it } from 'vitest';
import { decodeSafetensors, encodeSafetensors, type SafetensorsFile } from '../../nn/safetensors.js';
import { filesUnder, inTemporaryFolder, run } from './run.js';

const FILES = ['cnn4-deflated.pt', 'checkpoint.pt', 'hostile-eval.pt', 'resnet18-parallel.pt'];

inTemporaryFolder();
beforeEach(async () => {
  for (const name of FILES)
    await copyFile(fileURLToPath(new URL(`../fixtures/pytorch/${name}`, import.meta.url)), name);
});

const convert = (...args: string[]) => run(['convert', ...args]);

async function written(path = 'out.safetensors'): Promise<SafetensorsFile> {
  return decodeSafetensors(await readFile(path), path);
}

const NARROW = ['--model', 'cnn4', '--width', '0.03125'];

describe('bulwark convert', () => {
  it('checks against a model, says what it found, and what the file is of', async () => {
    const { code, out, err } = await convert('cnn4-deflated.pt', 'out.safetensors', ...NARROW);
    expect([code, err]).toEqual([0, '']);
    const lines = out.split('\n');
    expect(lines[0]).toBe('feature_extractor.conv1.weight  F32  [1, 1, 3, 3]');
    expect(lines).toContain('fits cnn4 with width 0.03125 and 10 classes');
    expect(lines.at(-1)).toMatch(/^wrote out\.safetensors \(\d+ bytes, 14 tensors\)$/);
    const { tensors, metadata } = await written();
    expect(metadata).toMatchObject({ format: 'pt', model: 'cnn4', classes: '10', inChannels: '1', imageSize: '28' });
    expect(JSON.parse(metadata['options'] ?? '')).toMatchObject({ width: 0.03125, activation: 'relu' });
    expect(tensors['classifier.fc1.weight']?.shape).toEqual([200, 32]);
    expect(await filesUnder('.')).toEqual([...FILES, 'out.safetensors'].sort());
  });

  it('takes files without a model as they are, but for the wrappers of PyTorch', async () => {
    const { code, out } = await convert('resnet18-parallel.pt', 'out.safetensors');
    expect(code).toBe(0);
    expect(out).toContain('renamed 122 tensors, such as module.conv1.weight to conv1.weight');
    expect(out).toContain('not checked against a model');
    expect(Object.keys((await written()).tensors)).toContain('layer4.1.bn2.num_batches_tracked');
    expect((await convert('checkpoint.pt', 'other.safetensors', '--key', 'state_dict')).code).toBe(0);
    expect(Object.keys((await written('other.safetensors')).tensors)).toContain('model.feature_extractor.conv1.bias');
  });

  it('notes the normalisation that a network was saved with', async () => {
    // The same network in a RobustBench-like wrapper.
    expect((await convert('cnn4-deflated.pt', 'plain.safetensors')).code).toBe(0);
    const { tensors } = await written('plain.safetensors');
    const constant = (value: number) => ({ dtype: 'F32', shape: [1, 1, 1, 1], data: Float32Array.of(value) }) as const;
    const wrapped = {
      ...Object.fromEntries(Object.entries(tensors).map(([name, value]) => [`model.${name}`, value])),
      'normalize.mean': constant(0.5),
      'normalize.std': constant(0.25),
    };
    await writeFile('wrapped.safetensors', encodeSafetensors(wrapped));
    const { code, out } = await convert('wrapped.safetensors', 'out.safetensors', ...NARROW);
    expect(code).toBe(0);
    expect(out).toContain('dropped the prefix model.');
    expect(out).toContain('left out normalize.mean: constants of a normalisation before the network');
    expect(out).toContain('normalised by mean 0.5 and std 0.25; noted in the metadata');
    const { metadata, tensors: kept } = await written();
    expect(metadata).toMatchObject({ 'normalize.mean': '0.5', 'normalize.std': '0.25' });
    expect(Object.keys(kept).sort()).toEqual(Object.keys(tensors).sort());
    // What is converted again stays as it is, and is checked by what its metadata say.
    expect((await convert('out.safetensors', 'again.safetensors')).code).toBe(0);
    expect(await readFile('again.safetensors')).toEqual(await readFile('out.safetensors'));
  });

  it('lists all that does not fit', async () => {
    const { code, out, err } = await convert(
      'cnn4-deflated.pt',
      'out.safetensors',
      '--model',
      'cnn4',
      '--classes',
      '7',
    );
    expect([code, out]).toEqual([1, '']);
    const lines = err.split('\n');
    expect(lines[0]).toBe('error: cnn4-deflated.pt: is not a checkpoint of cnn4 with width 1 and 7 classes:');
    expect(lines.slice(1)).toHaveLength(11);
    expect(lines).toContain('  classifier.fc3.bias has shape [10], expected [7]');
    const other = await convert('resnet18-parallel.pt', 'out.safetensors', '--model', 'cnn4');
    // All but the 20 counters of batches, which a model need not keep.
    expect(other.err.split('\n')).toHaveLength(1 + 14 + 102);
    expect(await filesUnder('.')).toEqual([...FILES].sort());
  });

  it('replaces nothing unless told', async () => {
    await writeFile('out.safetensors', 'precious');
    const refused = await convert('cnn4-deflated.pt', 'out.safetensors');
    expect([refused.code, refused.err]).toEqual([
      2,
      'error: out.safetensors: is there already; name another file, or replace it with --force',
    ]);
    expect(await readFile('out.safetensors', 'utf8')).toBe('precious');
    expect((await convert('cnn4-deflated.pt', 'out.safetensors', '--force')).code).toBe(0);
    expect(Object.keys((await written()).tensors)).toHaveLength(14);
  });

  it.each([
    [
      ['hostile-eval.pt', 'out.safetensors'],
      1,
      /asks for __builtin__\.eval, which a checkpoint does not need; nothing was executed/,
    ],
    [
      ['checkpoint.pt', 'out.safetensors', '--key', 'model'],
      2,
      /no state dict under the key 'model'; those that there are: 'state_dict' \(--key/,
    ],
    [['cnn4-deflated.pt', 'out.pt'], 2, /out\.pt: name a file that ends in \.safetensors/],
    [['cnn4-deflated.pt', 'out.safetensors', '--width', '2'], 2, /--width: says something of a model/],
    [['no.pt', 'out.safetensors'], 1, /cannot read no\.pt: there is no such file/],
  ])('refuses %j', async (args, exit, message) => {
    const { code, out, err } = await convert(...args);
    expect([code, out]).toEqual([exit, '']);
    expect(err).toMatch(message);
    expect(await filesUnder('.')).toEqual([...FILES].sort());
  });
});
