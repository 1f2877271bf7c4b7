import { copyFile, readFile, writeFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { beforeEach, describe, expect, it } from 'vitest';
import {
  decodeSafetensors,
  encodeSafetensors,
  type SafetensorsFile,
  type SafetensorsTensor,
} from '../../nn/safetensors.js';
import { filesUnder, inTemporaryFolder, run } from './run.js';

const FILES = ['cnn4-deflated.pt', 'checkpoint.pt', 'deepmind.pt', 'hostile-eval.pt', 'resnet18-parallel.pt'];

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

  /** Writes the narrow cnn4 under each of the prefixes, with `more`. */
  async function writeCopies(prefixes: readonly string[], more: Record<string, SafetensorsTensor> = {}): Promise<void> {
    await convert('cnn4-deflated.pt', 'plain.safetensors', '--force');
    const own = Object.entries((await written('plain.safetensors')).tensors);
    const copies = prefixes.flatMap((prefix) => own.map(([name, value]) => [prefix + name, value] as const));
    await writeFile('copies.safetensors', encodeSafetensors({ ...Object.fromEntries(copies), ...more }));
  }

  it('takes the copy of a network that --prefix names', async () => {
    await writeCopies(['module.student.', 'module.ema.']);
    const { code, err } = await convert('copies.safetensors', 'out.safetensors', ...NARROW);
    expect([code, err]).toEqual([
      2,
      "error: copies.safetensors: holds the model several times; say which by its prefix (--prefix of bulwark convert): 'ema.', 'student.'",
    ]);
    const { out, ...ema } = await convert('copies.safetensors', 'out.safetensors', ...NARROW, '--prefix', 'ema');
    expect(ema).toEqual({ code: 0, err: '' });
    expect(out).toContain('dropped the prefix ema.\n');
    expect(out).toContain('left out module.student.classifier.fc1.bias: outside the prefix\n');
    const { tensors } = await written();
    expect(tensors).toEqual((await written('plain.safetensors')).tensors);
    const wrong = await convert('copies.safetensors', 'other.safetensors', ...NARROW, '--prefix', 'emma');
    expect(wrong.err).toBe("error: copies.safetensors: has no name that begins with the prefix 'emma'");
  });

  it('is told by --normalize what the file does not say', async () => {
    const { code, out } = await convert('cnn4-deflated.pt', 'out.safetensors', ...NARROW, '--normalize', 'mnist');
    expect(code).toBe(0);
    expect(out).toContain('normalised by mean 0.1307 and std 0.3081; noted in the metadata');
    const constants = { 'normalize.mean': '0.1307', 'normalize.std': '0.3081' };
    expect((await written()).metadata).toMatchObject(constants);
    // What the file says already may be said again, but not otherwise.
    const again = (what: string) => convert('out.safetensors', 'again.safetensors', '--force', '--normalize', what);
    expect((await again('0.1307/0.3081')).code).toBe(0);
    expect((await written('again.safetensors')).metadata).toMatchObject(constants);
    expect(await again('0.5/0.25')).toEqual({
      ...{ code: 2, out: '' },
      err: 'error: --normalize: the file has constants of its own, mean 0.1307 and std 0.3081; leave the option out',
    });
    expect((await again('cifar10')).err).toBe('error: --normalize: is for images of 3 channels; this cnn4 takes 1');
    for (const bad of ['imagenet', '0.5', '0.5/0', '0.5,0.4/0.2', '0.5/0.2/0.1', '/', '0.5,/0.2,']) {
      const refused = await again(bad);
      expect(refused.code).toBe(2);
      expect(refused.err).toContain(
        `--normalize: '${bad}' is none of cifar10, cifar100, mnist, nor a mean and a standard`,
      );
    }
  });

  it("reads the networks of DeepMind's code, with the options that they need", async () => {
    const args = ['--model', 'wrn-16-2', '--width', '1/8'];
    const { code, err } = await convert('deepmind.pt', 'out.safetensors', ...args);
    expect(code).toBe(2);
    expect(err).toMatch(
      /^error: deepmind\.pt: has the names of DeepMind's code, .* \(--set padding=same of bulwark convert\)/,
    );
    const settings = ['--set', 'padding=same', '--set', 'activation=silu'];
    const { out, ...rest } = await convert('deepmind.pt', 'out.safetensors', ...args, ...settings);
    expect(rest).toEqual({ code: 0, err: '' });
    expect(out).toContain('the network takes images normalised by mean 0.49');
    const { tensors, metadata } = await written();
    expect(JSON.parse(metadata['options'] ?? '')).toMatchObject({ padding: 'same', activation: 'silu', width: 1 / 8 });
    expect(tensors['block2.layer.0.convShortcut.weight']?.shape).toEqual([8, 4, 1, 1]);

    // As RobustBench has them, the constants are not in the file.
    expect((await convert('deepmind.pt', 'raw.safetensors')).code).toBe(0);
    const { tensors: raw } = await written('raw.safetensors');
    const bare = Object.fromEntries(
      Object.entries(raw).filter(([name]) => !/(mean|std)$/.test(name) || /running/.test(name)),
    );
    await writeFile('bare.safetensors', encodeSafetensors(bare));
    const told = await convert('bare.safetensors', 'b.safetensors', ...args, ...settings);
    expect(told.out).toContain('take normalised images, and this file does not say by what: see --normalize');
    const known = await convert('bare.safetensors', 'c.safetensors', ...args, ...settings, '--normalize', 'cifar10');
    expect(known.out).not.toContain('see --normalize');
    expect((await written('c.safetensors')).metadata).toMatchObject({ 'normalize.std': '0.2471,0.2435,0.2616' });
  });

  it('takes counters that averaging made floats, and says of what types other tensors are', async () => {
    const file = async (counter: number): Promise<void> => {
      await convert('deepmind.pt', 'raw.safetensors', '--force');
      const { tensors } = await written('raw.safetensors');
      const averaged = Object.entries(tensors).map(([name, value]): [string, SafetensorsTensor] => {
        const float = { dtype: 'F32', shape: [], data: Float32Array.of(counter) } as const;
        return [name, name.endsWith('num_batches_tracked') ? float : value];
      });
      await writeFile('averaged.safetensors', encodeSafetensors(Object.fromEntries(averaged)));
    };
    const args = ['--model', 'wrn-16-2', '--width', '1/8', '--set', 'padding=same'];
    await file(391);
    expect((await convert('averaged.safetensors', 'out.safetensors', ...args)).code).toBe(0);
    expect((await written()).tensors['bn1.num_batches_tracked']?.dtype).toBe('I64');
    await file(NaN);
    const { code, err } = await convert('averaged.safetensors', 'out.safetensors', '--force', ...args);
    expect(code).toBe(1);
    expect(err).toContain('\n  bn1.num_batches_tracked has dtype F32, expected i32');
  });

  it('is told by options what the network is for', async () => {
    const model = ['--model', 'cnn4', '--width', '0.03125'];
    const { err } = await convert(
      'cnn4-deflated.pt',
      'out.safetensors',
      ...model,
      '--channels',
      '3',
      '--image-size',
      '32',
    );
    expect(err).toContain(
      'for images of 3 x 32 x 32:\n  feature_extractor.conv1.weight has shape [1, 1, 3, 3], expected [1, 3, 3, 3]',
    );
    const named = ['--model', 'cnn4', '--set', 'width=1/32', '--set', 'dropout=0.25'];
    expect((await convert('cnn4-deflated.pt', 'out.safetensors', ...named)).code).toBe(0);
    expect(JSON.parse((await written()).metadata['options'] ?? '')).toMatchObject({ width: 1 / 32, dropout: 0.25 });
  });

  it('shows names from a file as a terminal may see them', async () => {
    const odd: SafetensorsTensor = { dtype: 'F32', shape: [1], data: Float32Array.of(0.5) };
    await writeCopies(['m.'], { '\x1b[2J.mean': odd, '\x1b[2J.std': odd });
    const { code, out } = await convert('copies.safetensors', 'out.safetensors', ...NARROW);
    expect(code).toBe(0);
    expect(out).toContain('left out ?[2J.mean: constants');
    expect(out).not.toContain('\x1b');
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
    [['cnn4-deflated.pt', 'out.safetensors', '--image-size', '9'], 2, /--image-size: says something of a model/],
    [['cnn4-deflated.pt', 'out.safetensors', '--normalize', 'mnist'], 2, /--normalize: says something of a model/],
    [
      ['cnn4-deflated.pt', 'out.safetensors', ...NARROW, '--set', 'width=1'],
      2,
      /^error: --width and --set width: give one of them$/,
    ],
    [
      ['cnn4-deflated.pt', 'out.safetensors', '--model', 'cnn4', '--set', 'padding=same'],
      2,
      /^error: unknown option of cnn4 'padding'; there are width, activation, dropout, init$/,
    ],
    [
      ['cnn4-deflated.pt', 'out.safetensors', '--model', 'cnn4', '--set', 'activation=tanh'],
      2,
      /^error: cnn4-deflated\.pt: cnn4: unknown activation 'tanh'/,
    ],
    [['no.pt', 'out.safetensors'], 1, /cannot read no\.pt: there is no such file/],
  ])('refuses %j', async (args, exit, message) => {
    const { code, out, err } = await convert(...args);
    expect([code, out]).toEqual([exit, '']);
    expect(err).toMatch(message);
    expect(await filesUnder('.')).toEqual([...FILES].sort());
  });

  it('has a key for PyTorch files alone', async () => {
    expect((await convert('cnn4-deflated.pt', 'plain.safetensors')).code).toBe(0);
    const { code, err } = await convert('plain.safetensors', 'out.safetensors', '--key', 'model');
    expect([code, err]).toEqual([
      2,
      'error: --key model: plain.safetensors is a safetensors file, whose tensors stand under no key',
    ]);
  });
});
