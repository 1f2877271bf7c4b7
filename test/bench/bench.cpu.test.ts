import { parseHTML } from 'linkedom';
import { describe, expect, it } from 'vitest';
import type { Case } from '../../bench/case.js';
import { distance, type Contender } from '../../bench/contender.js';
import { permuted, uniform } from '../../bench/data.js';
import { goalOf, missesOf } from '../../bench/goals.js';
import { measure, spreadOf, type Measurement } from '../../bench/measure.js';
import { HEADLINE_CONV } from '../../bench/names.js';
import { markdownOf } from '../../bench/report/markdown.js';
import { pageOf } from '../../bench/report/page.js';
import { rateOf, type Results } from '../../bench/results.js';

const nothing: Case['bulwark'] = () => ({ run: () => [], dispose: () => undefined });
const CASE: Case = { name: 'a case', group: 'memory', tolerance: 1e-3, bulwark: nothing };

/** A contender that says in which order things happen, and computes `values`. */
function contender(name: Contender['name'], log: string[], values: number[]): Contender {
  return {
    name,
    run: () => void log.push(`run ${name}`),
    finish: () => {
      log.push(`finish ${name}`);
      return Promise.resolve();
    },
    values: () => Promise.resolve([Float32Array.from(values)]),
    dispose: () => undefined,
  };
}

/** What was measured of a case where bulwark takes 2 ms and others take so many times that. */
function measured(name: string, ratios: Partial<Record<Contender['name'], number>>): Measurement {
  const one = (contenderName: Contender['name'], ratio: number): Measurement['timings'][number] => ({
    contender: contenderName,
    ms: spreadOf([2 * ratio, 1.5 * ratio, 3 * ratio]),
    first: 10,
    distance: 0,
    ratio: spreadOf([ratio]),
  });
  const others = Object.entries(ratios).map(([key, ratio]) => one(key as Contender['name'], ratio));
  return { name, group: 'convolution', rounds: 7, flops: 4e6, timings: [one('bulwark', 1), ...others] };
}

const results = (measurements: readonly Measurement[]): Results => ({
  ...{ adapter: 'lavapipe', driver: 'a <driver>', date: '2026-01-02', versions: { bulwark: '1.2.3' } },
  ...{ failures: [], measurements },
});

describe('measure', () => {
  it('takes turns, after warming each up, and waits for what it times', async () => {
    const log: string[] = [];
    const both = [contender('bulwark', log, [1, 2]), contender('tfjs', log, [1, 2.001])];
    const { timings, rounds } = await measure(CASE, both, 3);
    // What is quickly done is done more often.
    expect(rounds).toBe(25);
    expect(timings.map(({ contender: name }) => name)).toEqual(['bulwark', 'tfjs']);
    const turns = log.filter((line) => line.startsWith('finish')).slice(-6);
    expect(turns).toEqual(Array.from({ length: 3 }, () => ['finish bulwark', 'finish tfjs']).flat());
    expect(timings[0]?.ratio).toEqual({ median: 1, least: 1, most: 1 });
    expect(timings[1]?.distance).toBeCloseTo(0.001 / Math.hypot(1, 2.001), 6);
    expect((await measure(CASE, both, 1)).rounds).toBe(1);
  });

  it('refuses results that are too far apart', async () => {
    const both = [contender('bulwark', [], [1, 2]), contender('jax-js', [], [1, 2.1])];
    await expect(measure(CASE, both, 1)).rejects.toThrow(/a case: jax-js is 4\.\de-2 from bulwark; at most 0\.001/);
  });

  it('takes the middle of an odd number of values', () => {
    expect(spreadOf([3, 1, 2])).toEqual({ median: 2, least: 1, most: 3 });
  });
});

describe('distance', () => {
  it('is relative, and infinite where the results have other sizes', () => {
    expect(distance([Float32Array.of(1, 1)], [Float32Array.of(1, 2)])).toBeCloseTo(1 / Math.sqrt(5));
    expect(distance([Float32Array.of(1)], [Float32Array.of(1, 2)])).toBe(Infinity);
    expect(distance([], [Float32Array.of(1)])).toBe(Infinity);
    expect(distance([Float32Array.of(NaN)], [Float32Array.of(1)])).toBeNaN();
  });
});

describe('data', () => {
  it('is the same for the same seed, and moves axes', () => {
    expect(uniform([5], 1)).toEqual(uniform([5], 1));
    expect(uniform([5], 1)).not.toEqual(uniform([5], 2));
    const values = Float32Array.from({ length: 2 * 3 * 4 * 5 }, (_, index) => index);
    const nhwc = permuted(values, [2, 3, 4, 5], [0, 2, 3, 1]);
    // [n, h, w, c] = [1, 2, 3, 1] holds [n, c, h, w] = [1, 1, 2, 3].
    expect(nhwc[((1 * 4 + 2) * 5 + 3) * 3 + 1]).toBe(((1 * 3 + 1) * 4 + 2) * 5 + 3);
  });
});

describe('goals', () => {
  it('are those of the case, or no slower than any other library', () => {
    const headline = measured(`${HEADLINE_CONV}, forward`, { 'jax-js': 9, tfjs: 5, 'bulwark, eager': 0.5 });
    const other = measured('something else', { 'jax-js': 0.9, tfjs: 1.1 });
    expect(headline.timings.map((timing) => goalOf('lavapipe', headline, timing)?.bar)).toEqual([
      undefined,
      8,
      6,
      undefined,
    ]);
    expect(missesOf('lavapipe', [headline, other]).map(({ name, contender: of, bar }) => [name, of, bar])).toEqual([
      [`${HEADLINE_CONV}, forward`, 'tfjs', 6],
      ['something else', 'jax-js', 1],
    ]);
  });
});

describe('reports', () => {
  const run = results([measured(`${HEADLINE_CONV}, forward`, { 'jax-js': 7, tfjs: 20 })]);

  it('name the rates, the ratios and what is below its bar', () => {
    const [measurement] = run.measurements;
    expect(measurement && rateOf(measurement, 2)).toBe('2.0 GFLOP/s');
    const text = markdownOf(run);
    expect(text).toContain('2026-01-02; bulwark 1.2.3.');
    expect(text).toContain('7 (7 to 7) **below 8** | 20 (20 to 20)');
    expect(text).toContain(`- ${HEADLINE_CONV}, forward: 7.00 times jax-js, bar 8`);
  });

  it('escape what they show, and draw a chart', () => {
    const { document } = parseHTML('<!doctype html><html><body></body></html>');
    const page = pageOf(run, document);
    expect(page).toContain('a &lt;driver&gt;');
    const shown = parseHTML(page).document;
    expect(shown.querySelectorAll('svg circle').length).toBe(2);
    expect(shown.querySelectorAll('tbody tr').length).toBe(1);
    expect(shown.querySelector('td.wrong')?.textContent).toBe('7 (7 to 7)');
    expect(shown.querySelector('td.right')?.textContent).toBe('20 (20 to 20)');
  });
});
