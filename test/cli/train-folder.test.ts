import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { presetNamed } from '../../adversarial/preset-named.js';
import { readMetrics } from '../../node/metrics.js';
import { png } from '../support/png.js';
import { inTemporaryFolder, run } from './run.js';

inTemporaryFolder();

it('trains on a folder of images of any sizes, with as many classes as it has', async () => {
  for (const half of ['train', 'test']) {
    for (const [label, name] of ['dark', 'bright', 'striped'].entries()) {
      const folder = join('pictures', half, name);
      await mkdir(folder, { recursive: true });
      for (let index = 0; index < 4; index++) {
        const shade = (x: number): number => (label === 2 ? 255 * (x % 2) : 200 * label) + index;
        const side = half === 'train' ? 28 : 20 + index;
        const image = png(side, side, (x) => [shade(x) & 255, shade(x) & 255, shade(x) & 255]);
        await writeFile(join(folder, `${index}.png`), image);
      }
    }
  }
  const { code, err } = await run([
    ...[
      'train',
      '--dataset',
      'folder',
      '--data',
      'pictures',
      '--model',
      'cnn4',
      '--width',
      '0.125',
      '--batch-size',
      '6',
    ],
    ...['--objective', 'standard-at', '--steps', '2', '--attack-steps', '1', '--out', 'run'],
    ...['--image-size', '28', '--patience', '3'],
  ]);
  expect([code, err]).toEqual([
    0,
    expect.stringContaining('validation on 2 of the training images, of which there are few'),
  ]);
  // All the images that there are, by the preset's attacks.
  const config = JSON.parse(await readFile('run/config.json', 'utf8')) as object;
  expect(config).toMatchObject({ model: { classes: 3 }, evaluation: { samples: 12 }, validation: { samples: 2 } });
  const evaluations = (await readMetrics('run/metrics.jsonl')).map(({ evaluation, total }) => [evaluation, total]);
  expect(evaluations).toContainEqual(['pgd-20', 12]);
  expect(Object.keys(presetNamed('recommended', { dataset: 'folder' }).attacks)).toContain('cw');
  expect(evaluations).toContainEqual(['cw', 12]);
  // On the run's own images unless told, from wherever.
  process.chdir('run');
  const evaluation = await run(['evaluate', '.', '--attacks', 'natural', '--samples', '6', '--out', '../evaluation']);
  expect([evaluation.code, evaluation.out]).toEqual([0, expect.stringContaining('natural')]);
  const { out, code: refused, err: why } = await run(['sanity', '.', '--dataset', 'shapes32', '--out', '../sanity']);
  expect([refused, out, why]).toEqual([2, '', expect.stringContaining('but the model takes [1, 28, 28]')]);
});
