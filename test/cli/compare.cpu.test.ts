import { appendFile, mkdir, readFile, writeFile } from 'node:fs/promises';
import { parseHTML } from 'linkedom';
import { describe, expect, it } from 'vitest';
import { wilson } from '../../adversarial/statistics.js';
import { readable, readableSettings } from '../../cli/readable.js';
import { flattened } from '../../cli/compare/run-folder.js';
import { filesUnder, inTemporaryFolder, run } from './run.js';

inTemporaryFolder();

interface Made {
  readonly lambda?: number;
  readonly eps?: number;
  readonly steps?: number;
  /** Right answers by version of the images. */
  readonly accuracies?: Readonly<Record<string, number>>;
  readonly total?: number;
  readonly unfinished?: boolean;
}

const config = ({ lambda = 0.4, eps = 0.3 }: Made): object => ({
  version: 1,
  dataset: { name: 'mnist', folder: null },
  objective: { name: 'mimae-at', options: { lambda, beta: 1 } },
  attack: { eps },
  training: { schedule: { name: 'step', drops: [2, 3] } },
});

function lines({ steps = 3, accuracies = {}, total = 100 }: Made, name?: string): object[] {
  const of = name === undefined ? {} : { run: name };
  const training = Array.from({ length: steps }, (_, index) => ({
    ...of,
    ...{ step: index + 1, epoch: 1, lr: 0.1, eps: 0.3, total: 3 - index, bce: 2, mi: 0.1, miMax: 2.3, belowMax: 1 },
    ...{ naturalAccuracy: 0.5, adversarialAccuracy: 0.25, stepsPerSecond: 2 },
  }));
  const evaluation = Object.entries(accuracies).map(([version, count]) => ({
    ...of,
    ...{ evaluation: version, accuracy: count / total, ...wilson(count, total) },
  }));
  return [...training, ...evaluation];
}

const asText = (records: readonly object[]): string => records.map((record) => `${JSON.stringify(record)}\n`).join('');

async function writeRun(folder: string, made: Made = {}): Promise<void> {
  await mkdir(folder, { recursive: true });
  await writeFile(`${folder}/config.json`, JSON.stringify(config(made)));
  await writeFile(`${folder}/metrics.jsonl`, asText(lines(made)));
  if (made.unfinished) await writeFile(`${folder}/checkpoint.safetensors`, '');
}

const EVALUATED = { accuracies: { natural: 90, 'worst case': 40, 'pgd-20': 41 } };

describe('bulwark compare', () => {
  it('warns of attacks that only have the same name, and of worst cases over others', async () => {
    await writeRun('a', EVALUATED);
    await writeRun('b', EVALUATED);
    const lines = await readFile('b/metrics.jsonl', 'utf8');
    await writeFile(
      'b/metrics.jsonl',
      lines.replace('"evaluation":"pgd-20"', '"evaluation":"pgd-20","stepSize":0.005'),
    );
    await appendFile('b/metrics.jsonl', asText([{ evaluation: 'cw', count: 40, total: 100 }]));
    expect((await run(['compare', 'a', 'b'])).err.split('\n')).toEqual([
      'warning: not the same attack in every run, but of other settings: pgd-20',
      'warning: the worst cases are those over different attacks',
    ]);
  });

  it('prints the settings that differ and the accuracies with their intervals', async () => {
    await writeRun('runs/a', EVALUATED);
    await writeRun('runs/b', { ...EVALUATED, lambda: 0.6, accuracies: { natural: 80, fgsm: 50 } });
    const { code, out, err } = await run(['compare', 'runs/a', 'runs/b/']);
    expect(err).toBe('');
    expect(code).toBe(0);
    expect(out.split('\n').map((line) => line.replaceAll(/ {2,}/g, ' | '))).toEqual([
      'setting | a | b',
      expect.stringMatching(/^-+/),
      'objective.options.lambda | 0.4 | 0.6',
      '',
      'run | natural | pgd-20 | fgsm | worst case | state',
      expect.stringMatching(/^-+/),
      'a | 90.0 % (82.6 to 94.5) | 41.0 % (31.9 to 50.8) | - | 40.0 % (30.9 to 49.8) | 3 steps',
      'b | 80.0 % (71.1 to 86.7) | - | 50.0 % (40.4 to 59.6) | - | 3 steps',
      'report: runs/compare/compare.html',
    ]);
    expect(await filesUnder('runs/compare')).toEqual(['compare.html', 'compare.md']);
  });

  it('draws a curve of each metric with a colour to each run, on a page that loads nothing', async () => {
    for (let index = 0; index < 9; index++) await writeRun(`r${index}`, { ...EVALUATED, lambda: index / 10 });
    await writeRun('none', { steps: 4 });
    const folders = Array.from({ length: 9 }, (_, index) => `r${index}`);
    expect((await run(['compare', 'none', ...folders, '--out', 'here'])).code).toBe(0);
    const text = await readFile('here/compare.html', 'utf8');
    expect(text.replaceAll('http://www.w3.org/', '')).not.toMatch(/<script|<link|@import|https?:\/\//);
    const { document } = parseHTML(text);
    const charts = [...document.querySelectorAll('svg')].map((svg) => svg.getAttribute('aria-label') ?? '');
    expect(charts.map((label) => label.replace(/ over the steps of .*/, ''))).toEqual([
      'Accuracies with their 95 % intervals; the numbers are in the table above.',
      'Accuracy on natural images',
      'Accuracy on adversarial images',
      'Total loss',
      'Boosted cross-entropy (nats)',
      'Mutual information (nats; larger is better)',
      'belowMax',
      'Radius eps of the attack',
      'Learning rate',
    ]);
    const second = document.querySelectorAll('svg')[1];
    const strokes = [...(second?.querySelectorAll('[aria-label=line]') ?? [])].map((path) =>
      path.getAttribute('stroke'),
    );
    expect(strokes).toHaveLength(10);
    expect(new Set(strokes).size).toBe(8);
    // The run without accuracies is the first: the others keep their colours in the chart of accuracies.
    const [first, rest] = [document.querySelector('svg'), document.querySelectorAll('svg figcaption')];
    expect(rest).toHaveLength(0);
    expect(first?.innerHTML).toContain('var(--series-2)');
    const marked = [...document.querySelectorAll('figcaption')][0]?.querySelector('.key');
    expect(marked?.className).toContain('k1');
  });

  it('takes unfinished runs, runs that were not evaluated, evaluations, and the runs of a demo apart', async () => {
    await writeRun('half', { steps: 2, unfinished: true });
    await mkdir('evaluation');
    await writeFile('evaluation/config.json', JSON.stringify({ checkpoint: 'half/model.safetensors', eps: 0.3 }));
    await writeFile('evaluation/metrics.jsonl', asText(lines({ ...EVALUATED, steps: 0 })));
    await mkdir('demo');
    await writeFile('demo/config.json', JSON.stringify({ plain: config({ lambda: 0 }), robust: config({}) }));
    const both = [...lines({ ...EVALUATED, steps: 5 }, 'plain'), ...lines({ ...EVALUATED, steps: 6 }, 'robust')];
    await writeFile('demo/metrics.jsonl', asText(both));
    const { code, out } = await run(['compare', 'half', 'evaluation', 'demo']);
    expect(code).toBe(0);
    const state = (name: string): string | undefined =>
      new RegExp(`^${name} .* {2}(.*)$`, 'm').exec(out.slice(out.indexOf('natural')))?.[1];
    expect(['half', 'evaluation', 'demo/plain', 'demo/robust'].map(state)).toEqual([
      '2 steps, unfinished, not evaluated',
      'evaluated',
      '5 steps',
      '6 steps',
    ]);
    expect(await readFile('runs/compare/compare.md', 'utf8')).toContain(
      '| objective.options.lambda | 0.4 | - | 0 | 0.4 |',
    );
  });

  it('lays beside a run its evaluation by what both have', async () => {
    await writeRun('trained', { ...EVALUATED, eps: 8 / 255 });
    const evaluated = async (folder: string, own: object): Promise<void> => {
      const same = { dataset: 'mnist', samples: 100, norm: 'linf', eps: 8 / 255, attackOn: 'all', quantize: null };
      await mkdir(folder);
      const settings = { checkpoint: 'trained/model.safetensors', batchSize: 100, ...same, substitute: null, ...own };
      await writeFile(`${folder}/config.json`, JSON.stringify(settings));
      await writeFile(`${folder}/metrics.jsonl`, asText(lines({ ...EVALUATED, steps: 0 })));
    };
    const settings = async (...folders: string[]): Promise<string[]> => {
      const { out, err } = await run(['compare', ...folders]);
      const [table = ''] = out.split('\n\n');
      return [...err.split('\n'), ...(out.includes('setting') ? table.split('\n').slice(2) : [])]
        .filter((line) => line !== '')
        .map((line) => line.replaceAll(/ {2,}/g, ' | '));
    };
    await evaluated('same', { sha256: 'a'.repeat(64) });
    expect(await settings('trained', 'same')).toEqual([]);
    const sha256 = 'b'.repeat(64);
    await evaluated('other', { sha256, norm: 'l2', eps: 0.5, samples: 50, substitute: 'c'.repeat(64) });
    expect(await settings('trained', 'other')).toEqual([
      'warning: the runs have different radii eps, and were attacked within them: 8/255, 0.5',
      'attack.eps | 8/255 | 0.5',
      'norm | linf | l2',
      'substitute | null | cccccccccccc',
    ]);
    expect(await settings('same', 'other')).toContain('sha256 | aaaaaaaaaaaa | bbbbbbbbbbbb');
    expect(await settings('same', 'other')).toContain('evaluation.samples | 100 | 50');
  });

  it('takes a validated run for itself and for the model that was validated best', async () => {
    await writeRun('plain', EVALUATED);
    await writeRun('validated');
    const { accuracies } = EVALUATED;
    const last = [...lines({ steps: 4, accuracies }), { validation: 1, step: 4, validationRobust: 0.5 }];
    const best = lines({ steps: 0, accuracies: { ...accuracies, natural: 95 } }, 'best');
    await writeFile('validated/metrics.jsonl', asText([...last, ...best]));
    const { code, out } = await run(['compare', 'plain', 'validated']);
    expect(code).toBe(0);
    expect(out.split('\n').slice(2, 5)).toEqual([
      expect.stringMatching(/^plain +90\.0 % .* 3 steps$/),
      expect.stringMatching(/^validated +90\.0 % .* 4 steps$/),
      expect.stringMatching(/^validated\/best +95\.0 % .* evaluated$/),
    ]);
    expect((await run(['compare', 'validated'])).code).toBe(0);
  });

  it('takes a run that was killed while it wrote a line', async () => {
    await writeRun('a', EVALUATED);
    await writeRun('killed', { unfinished: true });
    await appendFile('killed/metrics.jsonl', '{"step":4,"epo');
    const { code, out } = await run(['compare', 'a', 'killed']);
    expect(code).toBe(0);
    expect(out).toMatch(/^killed .* 3 steps, unfinished, not evaluated$/m);
    await appendFile('killed/metrics.jsonl', '\n{"step":5}\n');
    expect((await run(['compare', 'a', 'killed'])).err).toMatch(/^error: killed\/metrics\.jsonl: line 4 \(byte \d+\)/);
  });

  it('says where its folder cannot be', async () => {
    await writeRun('a');
    await writeRun('b');
    const { code, err } = await run(['compare', 'a', 'b', '--out', 'a/config.json/out']);
    expect([code, err]).toEqual([
      1,
      'error: cannot make the folder a/config.json/out: a part of the path is a file, not a folder',
    ]);
  });

  it('says what keeps accuracies from being compared', async () => {
    await writeRun('a', EVALUATED);
    await writeRun('b', { ...EVALUATED, eps: 0.2, total: 200 });
    const { err } = await run(['compare', 'a', 'b']);
    expect(err).toContain('warning: the runs were evaluated on different numbers of images: 100, 200');
    expect(err).toContain('warning: the runs have different radii eps, and were attacked within them: 0.3, 0.2');
    expect(await readFile('runs/compare/compare.html', 'utf8')).toContain('different radii eps');
  });

  it('tells folders of one name apart by their paths, and says None where nothing differs', async () => {
    await writeRun('x/run', EVALUATED);
    await writeRun('y/run', EVALUATED);
    const { out } = await run(['compare', 'x/run', 'y/run']);
    expect(out).toMatch(/^x\/run /m);
    expect(out).not.toContain('setting');
    expect(await readFile('runs/compare/compare.md', 'utf8')).toContain('## Settings that differ\n\nNone.');
  });

  it('names the folder and what it lacks', async () => {
    await writeRun('a');
    const said = async (...folders: string[]): Promise<string> => {
      const { code, err } = await run(['compare', ...folders]);
      return `${code} ${err}`;
    };
    expect(await said('a', 'none')).toBe(
      '2 error: none: there is no such folder; name folders of runs, such as runs/mimae-at',
    );
    expect(await said('a', 'a/config.json')).toBe('2 error: a/config.json: is a file; name the folder of the run');
    expect(await said('a')).toMatch(/^2 error: compare: name two runs or more/);
    expect(await said('a', './a')).toBe('2 error: compare: a is named twice');
    await mkdir('empty');
    expect(await said('a', 'empty')).toBe(
      '2 error: empty: holds no config.json and no metrics.jsonl, so it is no run that bulwark made',
    );
    await writeRun('b');
    await writeFile('b/config.json', '{"version":');
    expect(await said('a', 'b')).toMatch(/^1 error: b\/config\.json: is no JSON \(/);
    await writeFile('b/config.json', '[]');
    expect(await said('a', 'b')).toMatch(/^1 error: b\/config\.json: is no JSON object/);
    await writeRun('b');
    await writeFile('b/metrics.jsonl', '{"step":1}\n{"evaluation":"natural","accuracy":0.5}\n');
    expect(await said('a', 'b')).toBe(
      '1 error: b/metrics.jsonl: record 2 is no accuracy: it has count undefined and total undefined',
    );
    await writeFile('b/metrics.jsonl', 'x\n');
    expect(await said('a', 'b')).toMatch(/^1 error: b\/metrics\.jsonl: line 1 \(byte 0\) is not valid JSON/);
  });
});

describe('flattened', () => {
  it('gives the leaves by their places', () => {
    expect(flattened({ a: 1, b: { c: 'x', d: { e: null } }, f: [1, 2], g: {} })).toEqual({
      a: '1',
      'b.c': 'x',
      'b.d.e': 'null',
      f: '[1,2]',
    });
  });
});

describe('readable', () => {
  it('shortens decimals that stand for themselves', () => {
    expect(readable(`eps ${8 / 255}: 10 steps of ${1 / 3}, 0.031 and 0.0005.`)).toBe(
      'eps 8/255: 10 steps of 0.3333, 0.031 and 0.0005.',
    );
    expect(readable(JSON.stringify([2 / 255, 1, 1.23456, 1.234567e-7]))).toBe('[2/255,1,1.235,1.235e-7]');
    expect(readable('runs/eps-0.0313725/model-0.123456.pt')).toBe('runs/eps-0.0313725/model-0.123456.pt');
  });

  it('leaves settings that would look alike as they are', () => {
    expect(readableSettings(['0.031372549', '0.3', 'd'.repeat(64)])).toEqual(['0.03137', '0.3', 'dddddddddddd']);
    expect(readableSettings(['0.123451', '0.123452'])).toEqual(['0.123451', '0.123452']);
  });
});
