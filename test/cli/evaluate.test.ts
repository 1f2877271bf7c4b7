import { appendFile, copyFile, readFile, writeFile } from 'node:fs/promises';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { buildModel, loadModel, modelConfigOf, readCheckpoint } from '../../cli/checkpoint.js';
import { div, noGrad, sub, tensor, type Device, type Tensor } from '../../engine/index.js';
import { decodeSafetensors, encodeSafetensors } from '../../nn/safetensors.js';
import { saveStateDict } from '../../nn/state-dict.js';
import { testDevice } from '../support/device.js';
import { uniformFloats } from '../support/values.js';
import { filesUnder, inTemporaryFolder, run, writeTinyMnist } from './run.js';

const MODEL = {
  ...{ name: 'cnn4', classes: 10, inChannels: 1, imageSize: 28 },
  options: { width: 0.1, init: 'trades', dropout: 0 },
};

let device: Device;
let checkpoint: Uint8Array;
let unnamed: Uint8Array;
beforeAll(async () => {
  device = await testDevice();
  const tensors = await saveStateDict(buildModel(MODEL, device, 1));
  checkpoint = encodeSafetensors(tensors, { model: 'cnn4', width: '0.1', classes: '10', eps: '0.1' });
  unnamed = encodeSafetensors(tensors);
});
afterAll(() => {
  device.destroy();
});

inTemporaryFolder();
beforeEach(async () => {
  await writeTinyMnist();
  await writeFile('model.safetensors', checkpoint);
});
afterEach(() => {
  expect(device.counters.submits).toBeGreaterThan(0);
});

const evaluate = (path: string, ...args: string[]) =>
  run(['evaluate', path, '--data', 'data', '--samples', '10', ...args]);

const INTERRUPTED = [
  'evaluate',
  'model.safetensors',
  '--data',
  'data',
  '--samples',
  '8',
  '--batch-size',
  '4',
  '--attacks',
  'fgsm,pgd-2',
];

describe('bulwark evaluate', () => {
  it('prints a table with intervals, and writes a report in a folder of its own', async () => {
    const { code, out } = await evaluate('model.safetensors', '--batch-size', '4');
    expect(code).toBe(0);
    const lines = out.split('\n');
    expect(lines[0]).toMatch(/^accuracy +eps 0\.1$/);
    expect(lines.slice(2, 6).map((line) => /^(.+?) {2,}\d+\.0 % \(\d+\.\d to \d+\.\d\)$/.exec(line)?.[1])).toEqual([
      'natural',
      'fgsm',
      'pgd-20',
      'worst case',
    ]);
    expect(lines[6]).toBe('report: runs/evaluation/report.html');
    expect(await filesUnder('runs')).toEqual(
      ['config.json', 'metrics.jsonl', 'report.html', 'report.md', 'results.json'].map((name) => `evaluation/${name}`),
    );
    expect((await evaluate('model.safetensors', '--attacks', 'natural')).out).toContain(
      'runs/evaluation-2/report.html',
    );
  });

  it('prints JSON', async () => {
    const { code, out } = await evaluate('model.safetensors', '--json', '--attacks', 'pgd-3', '--eps', '8/255');
    expect(code).toBe(0);
    const result: unknown = JSON.parse(out);
    expect(result).toMatchObject({ size: 10, eps: 8 / 255, report: 'runs/evaluation/report.html' });
    expect(result).toMatchObject({
      results: [
        { version: 'natural', total: 10 },
        {
          version: 'pgd-3',
          settings: { attack: 'pgd', steps: 3, eps: 8 / 255, stepSize: 16 / 255 / 3, start: 'uniform' },
        },
        { version: 'worst case' },
      ],
    });
  });

  it("takes a run's folder, whose curves the report shows", async () => {
    await writeFile('metrics.jsonl', '{"step":1,"total":2.4,"ce":2.4}\n{"evaluation":"natural","accuracy":0.5}\n');
    const { code } = await evaluate('.', '--attacks', 'natural');
    expect(code).toBe(0);
    expect(await readFile('runs/evaluation/report.html', 'utf8')).toContain('Cross-entropy (nats)');
  });

  it('at eps 0 finds what it finds without an attack', async () => {
    const { out } = await evaluate('model.safetensors', '--json', '--eps', '0');
    const { results } = JSON.parse(out) as { results: readonly { count: number }[] };
    expect(new Set(results.map(({ count }) => count)).size).toBe(1);
  });

  it('takes the word of the command line for a checkpoint that does not say what it is of', async () => {
    await writeFile('unnamed.safetensors', unnamed);
    expect((await evaluate('unnamed.safetensors')).code).toBe(2);
    const options = ['--model', 'cnn4', '--width', '0.1', '--attacks', 'natural'];
    const { code, out } = await evaluate('unnamed.safetensors', ...options);
    expect(code).toBe(0);
    expect(out).toContain('eps 0.3');
  });

  it('takes a file of torch.save, with the accuracies of the safetensors file made of it', async () => {
    await copyFile(new URL('../fixtures/pytorch/cnn4-deflated.pt', import.meta.url), 'torch.pt');
    const options = ['--model', 'cnn4', '--width', '0.03125'];
    expect((await run(['convert', 'torch.pt', 'torch.safetensors', ...options])).code).toBe(0);
    const accuracies = async (path: string, ...more: string[]): Promise<unknown> => {
      const { code, out } = await evaluate(path, '--json', '--attacks', 'natural', ...more);
      expect(code).toBe(0);
      return (JSON.parse(out) as { results: unknown }).results;
    };
    expect(await accuracies('torch.pt', ...options)).toEqual(await accuracies('torch.safetensors'));
  });

  it('shows a network that takes normalised images those, from its wrapper or from metadata', async () => {
    const tensors = decodeSafetensors(unnamed, 'unnamed').tensors;
    const constant = (value: number) => ({ dtype: 'F32', shape: [1, 1, 1, 1], data: Float32Array.of(value) }) as const;
    const wrapped = encodeSafetensors({ ...tensors, mean: constant(0.5), std: constant(0.25) });
    await writeFile('wrapped.safetensors', wrapped);
    await writeFile(
      'noted.safetensors',
      encodeSafetensors(tensors, { 'normalize.mean': '0.5', 'normalize.std': '0.25' }),
    );
    const x = tensor(uniformFloats(2 * 784, 1, 0, 1), { device, shape: [2, 1, 28, 28] });
    const logits = async (path: string, images: Tensor): Promise<Float32Array> => {
      const checkpoint = await readCheckpoint(path);
      const model = loadModel(checkpoint, modelConfigOf(checkpoint, { model: 'cnn4', width: 0.1 }), device).eval();
      const values = await noGrad(device, () => model.forward(images)).floats();
      model.dispose();
      return values;
    };
    await writeFile('plain.safetensors', unnamed);
    const expected = await logits('plain.safetensors', div(sub(x, 0.5), 0.25));
    for (const path of ['wrapped.safetensors', 'noted.safetensors']) {
      (await logits(path, x)).forEach((value, at) => expect(value).toBeCloseTo(expected[at] ?? NaN, 5));
    }
    expect((await evaluate('wrapped.safetensors', '--model', 'cnn4', '--width', '0.1')).code).toBe(0);
    await writeFile('odd.safetensors', encodeSafetensors(tensors, { 'normalize.mean': '0.5' }));
    const odd = await evaluate('odd.safetensors', '--model', 'cnn4', '--width', '0.1');
    expect(odd.err).toContain("odd.safetensors: its metadata say normalize.mean '0.5' and normalize.std ''");
  });

  it('refuses a checkpoint whose shapes are not those of the model, and leaves nothing', async () => {
    const { code, err } = await evaluate('model.safetensors', '--width', '1');
    const lines = err.split('\n').slice(1);
    expect(lines[0]).toBe('error: model.safetensors: is not a checkpoint of cnn4 with width 1 and 10 classes:');
    expect(lines[1]).toBe('  feature_extractor.conv1.weight has shape [3, 1, 3, 3], expected [32, 1, 3, 3]');
    expect(lines).toHaveLength(1 + 9);
    expect(code).toBe(1);
    expect(await filesUnder('runs')).toEqual([]);
  });

  it('does not write into the run that it evaluates', async () => {
    await writeFile('metrics.jsonl', '{"step":1,"total":2.4}\n');
    await copyFile('model.safetensors', 'before');
    const { code, err } = await evaluate('.', '--out', '.', '--force');
    expect(err).toBe('error: --out .: is the run that is evaluated; name another folder');
    expect(code).toBe(2);
    expect(await readFile('model.safetensors')).toEqual(await readFile('before'));
  });

  it('when interrupted before anything was measured leaves nothing and ends with 130', async () => {
    const interruption = new AbortController();
    const onErr = (text: string): void => {
      if (text.startsWith('adapter')) interruption.abort(new Error('stop'));
    };
    const { code, err } = await run([...INTERRUPTED], { signal: interruption.signal, onErr });
    expect(err).toMatch(/\ninterrupted; nothing was written$/);
    expect(code).toBe(130);
    expect(await filesUnder('runs')).toEqual([]);
  });

  it('when interrupted keeps what was measured, and goes on from there to the same results', async () => {
    const curve = ['--curve', 'steps=1,2'];
    expect((await run([...INTERRUPTED, ...curve, '--out', 'whole'])).code).toBe(0);
    const interruption = new AbortController();
    let lines = 0;
    const onErr = (text: string): void => {
      if (/\d\/\d+ images/.test(text) && ++lines === 2) interruption.abort(new Error('stop'));
    };
    const parts = await run([...INTERRUPTED, ...curve, '--out', 'parts'], { signal: interruption.signal, onErr });
    expect(parts.code).toBe(130);
    expect(parts.err).toMatch(/what was measured is in parts: go on with --out parts --resume$/);
    expect(await filesUnder('parts')).toEqual(['batches.jsonl', 'config.json', 'metrics.jsonl']);
    // As a process that was killed while writing leaves it.
    await appendFile('parts/batches.jsonl', '{"version":"pgd-2","ind');
    const other = await run([...INTERRUPTED, '--out', 'parts', '--resume', '--eps', '0.2']);
    expect(other.err).toContain('--resume: the evaluation in parts has eps 0.1, not 0.2; name another folder');
    expect((await run([...INTERRUPTED, '--out', 'parts'])).err).toContain('holds a run already');
    const { code, out } = await run([...INTERRUPTED, ...curve, '--out', 'parts', '--resume']);
    expect(code).toBe(0);
    expect(out).toContain('pgd-20');
    const [whole, resumed] = await Promise.all(
      ['whole', 'parts'].map(async (folder) => {
        const { seconds, environment, ...rest } = JSON.parse(
          await readFile(`${folder}/results.json`, 'utf8'),
        ) as Record<string, unknown>;
        expect(seconds).toBeGreaterThan(0);
        expect(environment).toBeDefined();
        return rest;
      }),
    );
    expect(resumed).toEqual(whole);
    expect((await run([...INTERRUPTED, ...curve, '--out', 'parts', '--resume'])).err).toContain('parts is complete');
    expect((await run([...INTERRUPTED, '--resume'])).err).toContain('say by --out which folder');
    expect((await run([...INTERRUPTED, '--out', 'none', '--resume'])).err).toContain(
      'none holds no interrupted evaluation',
    );
  });

  it('attacks what is still robust, by any norm, and draws curves', async () => {
    const { code, out } = await evaluate(
      'model.safetensors',
      ...['--attacks', 'apgd-ce,pgd-5x2', '--attack-on', 'robust', '--norm', 'l2', '--eps', '1.5'],
      ...['--curve', 'eps=0,2', '--curve', 'steps=1,3'],
    );
    expect(code).toBe(0);
    expect(out).toMatch(/eps +pgd-20\n-+ +-+\n0 +\d+\.0 %.*\n2 +\d+\.0 %/);
    expect(out).toMatch(/steps +pgd-20/);
    const page = await readFile('runs/evaluation/report.html', 'utf8');
    for (const text of ['Accuracy under PGD-20', 'Classes', 'taken for']) expect(page).toContain(text);
    const markdown = await readFile('runs/evaluation/report.md', 'utf8');
    expect(markdown).toMatch(/\| apgd-ce \| .* \| attack apgd-ce, norm l2, eps 1\.5, steps 100 \|/);
    expect(markdown).toContain('Each attack ran on the examples that were right before it');
  });

  it('rounds to 8 bits, attacks by way of another model, and runs what an ensemble is made of', async () => {
    const tensors = await saveStateDict(buildModel(MODEL, device, 2));
    await writeFile('other.safetensors', encodeSafetensors(tensors, { model: 'cnn4', width: '0.1', classes: '10' }));
    const { code, out, err } = await evaluate(
      'model.safetensors',
      ...['--attacks', 'noise,blur,fgsm,deepfool', '--quantize', '8', '--substitute', 'other.safetensors', '--json'],
    );
    expect(err).not.toContain('error');
    expect(code).toBe(0);
    const { results } = JSON.parse(out) as { results: readonly { version: string; settings?: object }[] };
    expect(results.map(({ version }) => version)).toEqual([
      'natural',
      'noise',
      'blur',
      'fgsm',
      'deepfool',
      'worst case',
    ]);
    for (const { settings } of results.slice(1, -1)) {
      expect(settings).toMatchObject({ quantize: 8, substitute: 'other.safetensors' });
    }
  });

  it.each([
    [['--attacks', 'pgdd'], /unknown attack 'pgdd'/],
    [['--attacks', 'fgsm', '--norm', 'l2'], /attack fgsm: knows the norms linf, not l2/],
    [['--norm', 'l3'], /unknown norm 'l3'/],
    [['--quantize', '17'], /--quantize: '17' is not an integer from 1 to 16/],
    [['--eps', '8'], /--eps: 8 is more than the range of the data/],
    [['--curve', 'alpha=1'], /unknown curve 'alpha'/],
    [['--curve', 'eps=0,8'], /eps is 8, more than the range of the data/],
    [['--curve', 'eps=0,-1'], /--curve: 'eps=0,-1' does not give different numbers from 0 up/],
    [['--curve', 'steps=1,1'], /does not give different integers from 1 up/],
    [['--out', 'x', '--resume', '--force'], /--resume and --force: give one of them/],
  ])('refuses %j', async (args, text) => {
    const { code, err } = await evaluate('model.safetensors', ...args);
    expect(err).toMatch(text);
    expect(code).toBe(2);
    expect(await filesUnder('runs')).toEqual([]);
  });
});
