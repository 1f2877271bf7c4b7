import * as Plot from '@observablehq/plot';
import { Html, html } from '../../report/html.js';
import { STYLE } from '../../report/style.js';
import { goalOf } from '../goals.js';
import { formatMs, formatRatio, rateOf, type Results } from '../results.js';

/** Where Plot makes its elements: the page's document, or one that needs no browser. */
export type PlotDocument = Document;

/** The results as an HTML page that needs nothing else. */
export function pageOf(results: Results, document: PlotDocument): string {
  const { adapter, driver } = results;
  const page = html`<!doctype html>
    <html lang="en">
      <head>
        <meta charset="utf-8" />
        <meta name="viewport" content="width=device-width, initial-scale=1" />
        <title>bulwark bench: ${adapter}</title>
        <style>
          ${new Html(STYLE)}
        </style>
      </head>
      <body>
        <main>
          <h1>bulwark bench: ${adapter}</h1>
          <p class="faint">${driver}; ${results.date}; ${versionsOf(results)}</p>
          ${resultsOf(results, document)}
        </main>
      </body>
    </html>`;
  return page.text;
}

function versionsOf({ versions }: Results): string {
  return Object.entries(versions)
    .map(([name, version]) => `${name} ${version}`)
    .join(', ');
}

/** A chart and a table for each group. */
export function resultsOf(results: Results, document: PlotDocument): Html {
  const groups = [...new Set(results.measurements.map(({ group }) => group))];
  return html`${groups.map(
    (group) => html`
      <h2>${group}</h2>
      <figure>
        <figcaption>How many times faster bulwark is; the bar is the spread over the rounds.</figcaption>
        <div class="scroll">${chartOf(results, group, document)}</div>
      </figure>
      <div class="scroll">${tableOf(results, group)}</div>
    `,
  )}${results.failures.map(({ name, reason }) => html`<p class="warning">${name}: ${reason}</p>`)}`;
}

function chartOf({ measurements }: Results, group: string, document: PlotDocument): Html {
  const rows = measurements
    .filter((measurement) => measurement.group === group)
    .flatMap(({ name, timings }) => timings.slice(1).map(({ contender, ratio }) => ({ name, contender, ...ratio })));
  const names = [...new Set(rows.map(({ name }) => name))];
  const contenders = [...new Set(rows.map(({ contender }) => contender))];
  const plot = Plot.plot({
    document,
    width: 860,
    marginLeft: 360,
    height: 60 + 26 * names.length,
    style: { background: 'transparent', color: 'currentColor' },
    x: { type: 'log', label: 'times faster →', grid: true, tickFormat: (value: number) => String(value) },
    y: { label: null, domain: names },
    color: { domain: contenders, range: ['var(--series-1)', 'var(--series-2)', 'var(--series-3)'], legend: false },
    marks: [
      Plot.ruleX([1], { stroke: 'currentColor' }),
      Plot.ruleY(rows, {
        y: 'name',
        x1: 'least',
        x2: 'most',
        stroke: 'contender',
        strokeWidth: 3,
        strokeOpacity: 0.35,
      }),
      Plot.dot(rows, { y: 'name', x: 'median', fill: 'contender', r: 4.5 }),
    ],
  });
  const keys = contenders.map((name, index) => html`<span class="key k${index}"></span>${name}`);
  return html`${new Html(plot.outerHTML)}
    <p>${keys}</p>`;
}

function tableOf({ adapter, measurements }: Results, group: string): Html {
  const rows = measurements.filter((measurement) => measurement.group === group);
  const others = [...new Set(rows.flatMap(({ timings }) => timings.slice(1).map(({ contender }) => contender)))];
  return html`<table>
    <thead>
      <tr>
        <th>case</th>
        <th>ms</th>
        <th>rate</th>
        ${others.map((name) => html`<th>over ${name}</th>`)}
      </tr>
    </thead>
    <tbody>
      ${rows.map((measurement) => {
        const [own] = measurement.timings;
        return html`<tr>
          <th scope="row">${measurement.name}</th>
          <td>${own && formatMs(own.ms.median)}</td>
          <td>${own && rateOf(measurement, own.ms.median)}</td>
          ${others.map((name) => {
            const timing = measurement.timings.find(({ contender }) => contender === name);
            const bar = timing && goalOf(adapter, measurement, timing)?.bar;
            const kind = bar === undefined || !timing ? '' : timing.ratio.median < bar ? 'wrong' : 'right';
            return html`<td class="${kind}">${timing && formatRatio(timing.ratio)}</td>`;
          })}
        </tr>`;
      })}
    </tbody>
  </table>`;
}
