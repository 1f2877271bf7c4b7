import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { describe, expect, it, vi } from 'vitest';
import { NoAdapterError } from '../../engine/errors.js';
import { encodeSafetensors } from '../../nn/safetensors.js';
import { filesUnder, idx, inTemporaryFolder, run, writeTinyMnist, type CommandResult } from './run.js';

vi.mock(import('../../node/adapter.js'), async (original) => ({
  ...(await original()),
  requestGpuAdapter: () =>
    Promise.reject(new NoAdapterError('no WebGPU adapter: nothing here computes;\ninstall a driver')),
}));

inTemporaryFolder();

/** Expects a failure that is told in one or two lines and leaves nothing behind. */
async function expectFailure(result: CommandResult, message: RegExp): Promise<void> {
  expect(result.err).toMatch(message);
  expect(result.code).toBe(1);
  expect(result.out).toBe('');
  expect(result.err.split('\n').length).toBeLessThanOrEqual(2);
  expect(result.err).not.toMatch(/^ {4}at /m);
  expect(await filesUnder('runs')).toEqual([]);
}

const TRAIN = ['train', '--data', 'data', '--steps', '1', '--eval-samples', '0'];

describe('a dataset whose files are', () => {
  const images = 'data/train-images-idx3-ubyte';
  const labels = 'data/train-labels-idx1-ubyte';

  it('missing: the folder', async () => {
    await expectFailure(
      await run(TRAIN),
      /^error: cannot read the dataset folder data: there is no such file or folder$/,
    );
  });

  it('missing: one of them', async () => {
    await writeTinyMnist();
    await rm(labels);
    await expectFailure(await run(TRAIN), /^error: data: holds no train-labels-idx1-ubyte, /);
  });

  it('truncated', async () => {
    await writeTinyMnist();
    const whole = await readFile(images);
    await writeFile(images, whole.subarray(0, 1000));
    await expectFailure(
      await run(TRAIN),
      /train-images-idx3-ubyte: is cut short: it ends at byte 1000; .* says 62736$/,
    );
    await writeFile(images, whole.subarray(0, 7));
    await expectFailure(await run(TRAIN), /train-images-idx3-ubyte: ends at byte 7, within its header/);
  });

  it('truncated inside gzip', async () => {
    await writeTinyMnist();
    const packed = gzipSync(await readFile(images));
    await rm(images);
    await writeFile(`${images}.gz`, packed.subarray(0, packed.length - 20));
    await expectFailure(await run(TRAIN), /idx3-ubyte\.gz: the gzip stream of \d+ bytes is cut short or damaged/);
  });

  it('foreign', async () => {
    await writeTinyMnist();
    await writeFile(images, 'P5 28 28 255 some picture');
    await expectFailure(
      await run(TRAIN),
      /train-images-idx3-ubyte: is no IDX file; it begins with the bytes 50 35 20 32/,
    );
  });

  it('of another kind: labels in place of images, floats that may leave [0, 1]', async () => {
    await writeTinyMnist();
    await writeFile(images, idx([80], new Uint8Array(80)));
    await expectFailure(await run(TRAIN), /holds u8 \[80\] .*; expected u8 images \[n, 28, 28\]/);
    const floats = new Uint8Array(16 + 4 * 28 * 28);
    floats.set([0, 0, 0x0d, 3, 0, 0, 0, 1, 0, 0, 0, 28, 0, 0, 0, 28]);
    await writeFile(images, floats);
    await expectFailure(await run(TRAIN), /holds f32 \[1, 28, 28\] .*; expected u8 images/);
  });

  it('labelled with a class that there is not', async () => {
    await writeTinyMnist();
    await writeFile(labels, idx([80], new Uint8Array(80).fill(3).with(7, 10)));
    await expectFailure(await run(TRAIN), /train-labels-idx1-ubyte: label 7 \(byte 15\) is 10; labels are 0 \.\. 9$/);
  });

  it('not of one set', async () => {
    await writeTinyMnist();
    await writeFile(labels, idx([79], new Uint8Array(79)));
    await expectFailure(await run(TRAIN), /holds 79 labels, but .* holds 80 images/);
  });
});

describe('a checkpoint that is', () => {
  const evaluate = (path: string, ...more: string[]): Promise<CommandResult> =>
    run(['evaluate', path, '--data', 'data', '--samples', '10', ...more]);

  const bytes = encodeSafetensors({ weight: { dtype: 'F32', shape: [2], data: Float32Array.of(1, 2) } });

  it('missing', async () => {
    await expectFailure(await evaluate('no.safetensors'), /^error: cannot read no\.safetensors: there is no such file/);
    await mkdir('empty');
    await expectFailure(
      await evaluate('empty'),
      /^error: empty: holds no model\.safetensors, so it is no finished run$/,
    );
  });

  it('not in the folder, but others are', async () => {
    await mkdir('demo');
    await writeFile('demo/plain.safetensors', bytes);
    const message = /^error: demo: holds no model\.safetensors; name one of its checkpoints: demo\/plain\.safetensors$/;
    await expectFailure(await evaluate('demo'), message);
  });

  it('truncated', async () => {
    await writeFile('cut.safetensors', bytes.subarray(0, bytes.length - 3));
    await expectFailure(
      await evaluate('cut.safetensors'),
      /cut\.safetensors: 'weight' .* has the data_offsets \[0, 8\]/,
    );
    await writeFile('cut.safetensors', bytes.subarray(0, 30));
    await expectFailure(await evaluate('cut.safetensors'), /cut\.safetensors: ends at byte 30, within its header/);
  });

  it('foreign', async () => {
    await writeFile('model.pt', 'PK\u0003\u0004 a zip archive, as torch.save writes');
    await expectFailure(
      await evaluate('model.pt'),
      /model\.pt: is cut short or damaged: no end record of a zip archive up to byte 40/,
    );
    await writeFile('text.pt', 'weights');
    await expectFailure(
      await evaluate('text.pt'),
      /text\.pt: is no file of torch\.save; it begins with the bytes 77 65/,
    );
    await writeFile('other.bin', 'weights of some kind');
    await expectFailure(await evaluate('other.bin'), /other\.bin: is no safetensors file/);
  });

  it('of a model that is not known, or that it does not name', async () => {
    const tensors = { weight: { dtype: 'F32', shape: [2], data: Float32Array.of(1, 2) } } as const;
    await writeFile('other.safetensors', encodeSafetensors(tensors, { model: 'cnn5' }));
    await expectFailure(await evaluate('other.safetensors'), /unknown model 'cnn5' \(did you mean cnn4\?\)/);
    await writeFile('wide.safetensors', encodeSafetensors(tensors, { model: 'cnn4', width: 'wide' }));
    await expectFailure(await evaluate('wide.safetensors'), /its metadata say width 'wide'; expected a number above 0/);
    await writeFile('mute.safetensors', bytes);
    const { code, err } = await evaluate('mute.safetensors');
    expect(code).toBe(2);
    expect(err).toBe('error: mute.safetensors: does not say which model it is of; say so by --model (and --width)');
  });

  it('to be attacked by something unknown', async () => {
    await writeFile('a.safetensors', bytes);
    const { code, err } = await evaluate('a.safetensors', '--model', 'cnn4', '--attacks', 'natural,pdg-20');
    expect(code).toBe(2);
    expect(err).toBe(
      "error: unknown attack 'pdg-20' (did you mean pgd-20?); there are natural, fgsm, ffgsm, rfgsm, bim, cw, apgd-ce, apgd-dlr, apgd-t, " +
        'fab-t, square, autoattack, autoattack-rand, cw-l2, deepfool, noise, blur, pgd-20, pgd-<steps>, pgd-<steps>x<restarts>',
    );
  });
});

describe('a metrics file that is', () => {
  const evaluate = (): Promise<CommandResult> => run(['evaluate', 'run', '--data', 'data', '--samples', '10']);

  async function writeRun(metrics: string | undefined): Promise<void> {
    await mkdir('run', { recursive: true });
    const tensors = { weight: { dtype: 'F32', shape: [2], data: Float32Array.of(1, 2) } } as const;
    await writeFile('run/model.safetensors', encodeSafetensors(tensors, { model: 'cnn4' }));
    if (metrics !== undefined) await writeFile('run/metrics.jsonl', metrics);
  }

  it('missing', async () => {
    await writeRun(undefined);
    await expectFailure(await evaluate(), /^error: cannot read run\/metrics\.jsonl: there is no such file or folder$/);
  });

  it('broken within', async () => {
    await writeRun('{"step":1,"total":2.4}\n{"step":2,"tot\n{"step":3}\n');
    await expectFailure(await evaluate(), /run\/metrics\.jsonl: line 2 \(byte 23\) is not valid JSON/);
  });

  it('foreign', async () => {
    await writeRun('epoch,loss\n1,2.4\n');
    await expectFailure(await evaluate(), /run\/metrics\.jsonl: line 1 \(byte 0\) is not valid JSON/);
    await writeRun('{"name":"something else"}\n');
    await expectFailure(await evaluate(), /run\/metrics\.jsonl: record 1 has no number 'step'; it is no metrics file/);
  });
});

describe('without any adapter', () => {
  const message = /^error: no WebGPU adapter: nothing here computes;\ninstall a driver$/;

  it('train and demo say so and leave nothing', async () => {
    await writeTinyMnist();
    await expectFailure(await run(TRAIN), message);
    await expectFailure(await run(['demo', '--data', 'data', '--samples', '10']), message);
  });

  it('train keeps the run that it was to replace', async () => {
    await writeTinyMnist();
    await mkdir('old');
    for (const name of ['metrics.jsonl', 'model.safetensors']) await writeFile(join('old', name), 'precious');
    await expectFailure(await run([...TRAIN, '--out', 'old', '--force']), message);
    expect(await filesUnder('old')).toEqual(['metrics.jsonl', 'model.safetensors']);
  });

  it('doctor says what is missing for each', async () => {
    const { code, out } = await run(['doctor', '--json']);
    expect(code).toBe(1);
    const findings: unknown = JSON.parse(out);
    expect(findings).toMatchObject({
      passed: false,
      problem: expect.stringContaining('nothing here computes') as unknown,
    });
    expect(findings).toMatchObject({
      adapters: ['gpu', 'lavapipe', 'swiftshader', 'null'].map((adapter) => ({ adapter, available: false })),
    });
    expect((await run(['doctor'])).out).toMatch(/no adapter: no WebGPU adapter/);
  });
});
