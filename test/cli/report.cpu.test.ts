import { parseHTML } from 'linkedom';
import { PNG } from 'pngjs';
import { describe, expect, it } from 'vitest';
import type { AccuracyCurve } from '../../adversarial/accuracy-curve.js';
import { fgsmAttack } from '../../adversarial/attacks/fgsm.js';
import { pgdAttack } from '../../adversarial/attacks/pgd.js';
import type { Evaluation } from '../../adversarial/evaluation-tally.js';
import { wilson } from '../../adversarial/statistics.js';
import { binned } from '../../cli/report/charts.js';
import type { ReportData, ReportRun } from '../../cli/report/data.js';
import { sanityMarkdown } from '../../cli/report/sanity-markdown.js';
import { escapeHtml, html } from '../../report/html.js';
import { divergingColour, imageUri, perturbationUri } from '../../cli/report/images.js';
import { renderReport } from '../../cli/report/page.js';
import { uniformFloats } from '../support/values.js';

const CLASSES = 10;

function evaluationOf(size: number): Evaluation {
  const image = uniformFloats(28 * 28, 1, 0, 1);
  const distribution = Array.from({ length: CLASSES }, (_, a) =>
    Array.from({ length: CLASSES }, (_column, b) => (a === b ? 0.091 : 0.001)),
  );
  const joint = { distribution, mutualInformation: 1.87, symmetrizedMutualInformation: 1.87, maximum: Math.log(10) };
  const version = (right: number) => ({
    accuracy: wilson(right, size),
    predictions: new Int32Array(size),
    confusion: distribution.map((row) => row.map((value) => Math.round(size * value))),
    classAccuracies: distribution.map((_, k) => (k === 3 ? undefined : wilson(9, 10))),
  });
  const zeros = new Array<number>(size).fill(0);
  const attack = {
    attacked: size,
    joint,
    perturbation: { linf: zeros.map(() => 0.2), l2: zeros, l1: zeros, l0: zeros },
    worst: [{ index: 7, label: 1, prediction: 4, margin: 3.5, natural: image, adversarial: image.map((v) => 1 - v) }],
  };
  const moved = image.map((value) => Math.min(1, value + 0.2));
  return {
    dataset: 'mnist (test)',
    size,
    classes: CLASSES,
    exampleShape: [1, 28, 28],
    attackOn: 'all',
    natural: version(size - 2),
    attacks: {
      fgsm: { ...version(size - 5), ...attack, settings: fgsmAttack({ eps: 0.2 }).settings },
      'pgd-20': {
        ...version(size - 9),
        ...attack,
        settings: pgdAttack({ eps: 0.2, stepSize: 0.02, steps: 20 }).settings,
      },
    },
    worstCase: wilson(size - 9, size),
    examples: [3, 8].map((label, index) => ({
      index,
      label,
      natural: { image, prediction: label },
      attacks: { fgsm: { image: moved, prediction: label }, 'pgd-20': { image: moved, prediction: 1 } },
    })),
    warnings: [],
    seconds: 1,
  };
}

function runOf(name: string, steps: number, evaluation: Evaluation | undefined): ReportRun {
  const history = Array.from({ length: steps }, (_, index) => ({
    step: index + 1,
    values: {
      lr: 0.02,
      eps: 0.2,
      total: 2 / (index + 1),
      bce: 1 / (index + 1),
      mi: 1.5,
      miMax: 2,
      naturalAccuracy: 0.9,
    },
  }));
  return { name, history, evaluation, settings: { model: 'cnn4', seed: '0' }, warnings: [] };
}

function reportOf(runs: readonly ReportRun[]): ReportData {
  return { title: 'A report', summary: 'Of nothing.', runs, environment: { adapter: 'none' } };
}

/** The document that a browser would make of it. */
function parse(text: string): Document {
  return parseHTML(text).document;
}

describe('renderReport', () => {
  const full = renderReport({
    ...reportOf([runOf('plain', 400, evaluationOf(100)), runOf('mimae-at', 400, evaluationOf(100))]),
    findings: [
      { text: 'first', met: true },
      { text: 'second', met: false },
    ],
  });
  const page = parse(full);

  it('loads nothing from anywhere', () => {
    const links = [...page.querySelectorAll('[src],[href],[srcset],[data],[action],[poster]')];
    const targets = links.map((element) => element.getAttribute('src') ?? element.getAttribute('href') ?? '');
    expect(targets.filter((target) => !target.startsWith('data:image/png;base64,'))).toEqual([]);
    expect(full).not.toMatch(/<script|<iframe|<link|<object|@import|url\(\s*['"]?(?!#)/i);
    expect(full.replaceAll('http://www.w3.org/', '')).not.toMatch(/https?:\/\//);
  });

  it('is an HTML document with a language, a title, and headings in order', () => {
    expect(full).toMatch(/^<!doctype html>\s*<html lang="en">/);
    expect(page.querySelector('title')?.textContent).toBe('A report');
    const levels = [...page.querySelectorAll('h1,h2,h3')].map((heading) => Number(heading.tagName.slice(1)));
    expect(levels[0]).toBe(1);
    expect(levels.filter((level) => level === 1)).toHaveLength(1);
    for (const [index, level] of levels.entries()) expect(level - (levels[index - 1] ?? 0)).toBeLessThanOrEqual(1);
    const text = [...page.querySelectorAll('h2')].map((heading) => heading.textContent);
    expect(text).toEqual([
      'Accuracies',
      'Training: plain',
      'Training: mimae-at',
      'Examples',
      'Worst cases',
      'Classes',
      'Joint distribution of classes',
      'Settings',
    ]);
  });

  it('says everything in words too: images, charts, tables, and what is right and wrong', () => {
    const images = [...page.querySelectorAll('img')];
    // Two examples, of two models; for each run and attack three of the worst case.
    expect(images.length).toBe(2 * (1 + 2 * 2) + 2 * 2 * 3);
    expect(images.filter((image) => (image.getAttribute('alt') ?? '') === '')).toEqual([]);
    const charts = [...page.querySelectorAll('svg')];
    // One of accuracies; for each run accuracy, three terms and eps, two confusion matrices; two heat maps.
    expect(charts.length).toBe(1 + 2 * (5 + 2) + 2);
    const captions = [...page.querySelectorAll('figcaption')].map(({ textContent }) => textContent.trim());
    expect(captions.filter((text) => /^Mutual information.*maximum$/s.test(text))).toHaveLength(2);
    for (const chart of charts) {
      expect(chart.getAttribute('role')).toBe('img');
      expect(chart.getAttribute('aria-label')).toMatch(/\S/);
    }
    for (const table of page.querySelectorAll('table')) {
      expect(table.querySelector('caption')?.textContent).toMatch(/\S/);
      expect(table.querySelector('th')).not.toBeNull();
    }
    expect(page.querySelector('.wrong')?.textContent).toBe('not met');
    expect([...page.querySelectorAll('td .wrong')].map((cell) => cell.textContent)).toContain('1 ✗');
  });

  it('shows what attacks with gradients overlook, where there is any', () => {
    expect(full).not.toContain('Overlooked by gradients');
    const evaluation = evaluationOf(100);
    const overlooked = { square: evaluation.attacks['fgsm']?.worst ?? [] };
    const shown = parse(renderReport(reportOf([{ ...runOf('masked', 0, evaluation), overlooked }])));
    const heading = [...shown.querySelectorAll('h3')].find(({ textContent }) => textContent === 'masked, square');
    expect(heading?.nextElementSibling?.querySelector('figcaption')?.textContent).toContain('no. 7: 1 taken for 4');
    expect(heading?.nextElementSibling?.querySelectorAll('img')).toHaveLength(3);
  });

  it('has the accuracies with their intervals, and the settings of the attacks', () => {
    const rows = [...page.querySelectorAll('tr')].map((row) => row.textContent.trim());
    expect(rows.find((row) => row.startsWith('pgd-20'))).toContain('91.0 % (83.8 to 95.2)');
    expect(rows.find((row) => row.startsWith('pgd-20'))).toContain('stepSize 0.02, steps 20');
  });

  it('is for dark and light', () => {
    expect(full).toContain('color-scheme: light dark');
    const used = [...full.matchAll(/var\((--[a-z0-9-]+)\)/g)].map((match) => match[1] ?? '');
    for (const name of new Set(used)) {
      // Observable Plot's own is left alone.
      expect(full, name).toContain(name === '--plot-background' ? `${name}:` : `${name}: light-dark(#`);
    }
  });

  it('shows a run that was not evaluated, one without a history, and numbers that are none', () => {
    const unevaluated = renderReport(reportOf([runOf('a', 5, undefined)]));
    expect(unevaluated).toContain('The model was not evaluated.');
    expect(parse(unevaluated).querySelectorAll('img').length).toBe(0);
    expect(parse(renderReport(reportOf([runOf('a', 0, evaluationOf(10))]))).querySelectorAll('svg').length).toBe(4);
    const broken = { ...runOf('a', 2, undefined), history: [{ step: 1, values: { total: NaN, bce: Infinity } }] };
    expect(renderReport(reportOf([broken]))).not.toMatch(/NaN|Infinity/);
  });

  it('draws the accuracy against settings of the attack', () => {
    const points = [0, 0.1, 0.3].map((value, index) => ({ value, accuracy: wilson(9 - 4 * index, 10) }));
    const run = { ...runOf('a', 0, evaluationOf(10)), curves: [{ setting: 'eps', points }] };
    const found = parse(renderReport(reportOf([run])));
    const [chart] = [...found.querySelectorAll('svg')].filter((svg) =>
      svg.getAttribute('aria-label')?.includes('against eps'),
    );
    expect(chart?.getAttribute('aria-label')).toContain('0.3: 10.0 %');
  });

  it('has each class by itself, and marks those without an example', () => {
    const rows = [...page.querySelectorAll('table')]
      .filter((table) => table.querySelector('caption')?.textContent.includes('of each class'))
      .flatMap((table) =>
        [...table.querySelectorAll('tbody tr')].map((row) => row.textContent.replaceAll(/\s+/g, ' ').trim()),
      );
    expect(rows).toHaveLength(20);
    expect(rows[0]).toBe('0 90.090.090.0');
    expect(rows[3]).toBe('3 –––');
  });

  it('shows names and texts as they are', () => {
    const odd = '<img src=x onerror="alert(1)">&\'';
    const run = { ...runOf(odd, 3, evaluationOf(10)), warnings: [odd], settings: { [odd]: odd } };
    const text = renderReport({ ...reportOf([run]), title: odd, summary: odd, environment: { [odd]: odd } });
    expect([...parse(text).querySelectorAll('img')].filter((image) => image.getAttribute('src') === 'x')).toEqual([]);
    expect(parse(text).querySelector('h1')?.textContent).toBe(odd);
  });

  it('stays small for long runs', () => {
    expect(renderReport(reportOf([runOf('long', 20_000, undefined)])).length).toBeLessThan(200_000);
  });
});

describe('sanityMarkdown', () => {
  const evaluation = evaluationOf(100);
  const curveOf = (setting: string, value: number): AccuracyCurve => ({
    setting,
    points: [{ value, accuracy: wilson(91, 100) }],
  });
  const check = { name: 'a check', finding: 'found', advice: 'do this', numbers: {} };
  const page = sanityMarkdown('Sanity of it', {
    verdict: 'fail',
    checks: [
      { ...check, verdict: 'pass', examples: [3] },
      { ...check, verdict: 'look', examples: Array.from({ length: 30 }, (_, i) => i) },
      { ...check, verdict: 'fail', examples: [5, 8] },
    ],
    evaluation,
    curve: curveOf('eps', 0.2),
    stepsCurve: curveOf('steps', 20),
    overlooked: {},
  });

  it('has a line for each check, with advice and examples where it does not pass', () => {
    const lines = page.split('\n');
    expect(lines).toContain('| pass | a check | found |  |');
    expect(lines).toContain('| FAIL | a check | found (no. 5, 8) | do this |');
    const look = lines.find((line) => line.startsWith('| look'));
    expect(look).toMatch(/\(no\. 0, 1, .*, 18, 19, \.\.\.\) \| do this \|$/);
  });

  it('has the accuracies and the curves as tables, each row as wide as its head', () => {
    expect(page).toContain('| pgd-20 | 91.0 % (83.8 to 95.2) |');
    expect(page).toContain('## Accuracy under PGD against steps\n\n| steps | accuracy, with its 95 % interval |');
    expect(page).toContain('| 0.2 | 91.0 % (83.8 to 95.2) |');
    for (const table of page.split('\n\n').filter((part) => part.startsWith('|'))) {
      expect(
        new Set(
          table
            .trim()
            .split('\n')
            .map((row) => row.split('|').length),
        ).size,
      ).toBe(1);
    }
  });
});

describe('binned', () => {
  it('averages neighbouring steps and keeps their range', () => {
    const points = Array.from({ length: 10 }, (_, index) => ({ step: index + 1, value: index }));
    const bins = binned({ name: 'a', points }, 5);
    expect(bins).toHaveLength(5);
    expect(bins[0]).toEqual({ step: 2, mean: 0.5, low: 0, high: 1 });
    expect(binned({ name: 'a', points }, 100)).toHaveLength(10);
    expect(binned({ name: 'a', points: [] })).toEqual([]);
  });
});

describe('images', () => {
  const read = (uri: string): PNG => PNG.sync.read(Buffer.from(uri.replace('data:image/png;base64,', ''), 'base64'));
  const pixel = (image: PNG, at: number): number[] => [...image.data.subarray(4 * at, 4 * at + 4)];

  it('are PNG of grey and of colour images', () => {
    const grey = read(imageUri(Float32Array.of(0, 0.5, 1, 2), [1, 2, 2]));
    expect([grey.width, grey.height]).toEqual([2, 2]);
    expect([pixel(grey, 0), pixel(grey, 1), pixel(grey, 3)]).toEqual([
      [0, 0, 0, 255],
      [128, 128, 128, 255],
      [255, 255, 255, 255],
    ]);
    const colour = read(imageUri(Float32Array.of(1, 0, 0, 1, 0, 0.2), [3, 1, 2]));
    expect([pixel(colour, 0), pixel(colour, 1)]).toEqual([
      [255, 0, 0, 255],
      [0, 255, 51, 255],
    ]);
  });

  it('show perturbations from blue over white to red', () => {
    const from = Float32Array.of(0.5, 0.5, 0.5);
    const to = Float32Array.of(0.3, 0.5, 0.7);
    const image = read(perturbationUri(from, to, { shape: [1, 1, 3], scale: 0.2 }));
    expect([0, 1, 2].map((at) => pixel(image, at).slice(0, 3))).toEqual([
      [33, 102, 172],
      [255, 255, 255],
      [178, 24, 43],
    ]);
    expect(divergingColour(-5)).toEqual([33, 102, 172]);
    expect(read(perturbationUri(from, to, { shape: [1, 1, 3], scale: 0 })).data[0]).toBe(255);
  });
});

describe('html', () => {
  it('escapes what is put into it, unless it is HTML', () => {
    expect(html`<p title="${'"'}">${'<'}${html`<b>${1}</b>`}${[html`a`, '&']}${undefined}${false}</p>`.text).toBe(
      '<p title="&quot;">&lt;<b>1</b>a&amp;</p>',
    );
    expect(escapeHtml(`<>&"'`)).toBe('&lt;&gt;&amp;&quot;&#39;');
  });
});
