import { htmlPage } from '../../report/frame.js';
import { html, seriesKey, type Html } from '../../report/html.js';
import { accuracyChart, curves } from '../report/charts.js';
import { htmlTable } from '../report/html-table.js';
import { LABELS, OTHERS, isMaximum, seriesOf } from '../report/training.js';
import { accuracyRows, differingSettings, doubtsOf } from './comparison.js';
import type { ComparedRun } from './run-folder.js';

/** With more runs than this, the bands behind the lines would hide them. */
const MOST_BANDS = 2;

/** Accuracies, differing settings and curves of several runs as one HTML file that loads nothing from anywhere. */
export function comparisonPage(runs: readonly ComparedRun[]): string {
  return htmlPage(
    `${runs.length} runs side by side`,
    html`<p>${runs.map(({ name }, index) => seriesKey(index, name))}</p>
      ${doubtsOf(runs).map((text) => html`<p class="warning"><strong>Warning</strong>: ${text}</p>`)}
      <h2>Accuracies</h2>
      ${htmlTable('Accuracies after training, with 95 % intervals (Wilson).', accuracyRows(runs))} ${chart(runs)}
      <h2>Settings that differ</h2>
      ${settings(runs)} ${training(runs)}`,
  );
}

function chart(runs: readonly ComparedRun[]): Html | undefined {
  const points = runs.flatMap(({ name, accuracies }) =>
    Object.entries(accuracies).map(([version, accuracy]) => ({ run: name, version, accuracy })),
  );
  if (points.length === 0) return undefined;
  // A run without accuracies still has its colour: the chart counts only those that have.
  const shown = runs.filter(({ accuracies }) => Object.keys(accuracies).length > 0);
  return html`<figure>
    <figcaption>${shown.map((run) => seriesKey(runs.indexOf(run), run.name))}</figcaption>
    ${accuracyChart(
      points,
      'Accuracies with their 95 % intervals; the numbers are in the table above.',
      runs.map(({ name }) => name),
    )}
  </figure>`;
}

function settings(runs: readonly ComparedRun[]): Html {
  const rows = differingSettings(runs);
  return rows.length === 1 ? html`<p>None.</p>` : htmlTable('Settings that are not the same in every run.', rows);
}

function training(runs: readonly ComparedRun[]): Html | undefined {
  const names = new Set(runs.flatMap(({ history }) => Object.keys(history.at(-1)?.values ?? {})));
  const terms = [...names].filter((name) => !OTHERS.has(name) && !isMaximum(name, names));
  const accuracies = ['naturalAccuracy', 'adversarialAccuracy'].filter((name) => names.has(name));
  const charts = [...accuracies, ...terms, ...['eps', 'lr'].filter((name) => names.has(name))];
  if (charts.length === 0) return undefined;
  return html`<h2>Training</h2>
    <p class="faint">Averages over neighbouring steps; accuracies are those of each step's own batch.</p>
    <div class="curves">${charts.map((name) => metricChart(runs, name))}</div>`;
}

const TITLES: Readonly<Record<string, string>> = {
  ...LABELS,
  naturalAccuracy: 'Accuracy on natural images',
  adversarialAccuracy: 'Accuracy on adversarial images',
  lr: 'Learning rate',
};

function metricChart(runs: readonly ComparedRun[], metric: string): Html {
  const title = TITLES[metric] ?? metric;
  const having = runs.filter(({ history }) => history.some(({ values }) => metric in values));
  const percent = metric.endsWith('Accuracy');
  return html`<figure>
    <figcaption><strong>${title}</strong>${having.map((run) => seriesKey(runs.indexOf(run), run.name))}</figcaption>
    ${curves(
      // A run that lacks the metric keeps its place, and with it its colour.
      runs.map((run) => seriesOf(run, metric, run.name)),
      {
        label: `${title} over the steps of ${having.map(({ name }) => name).join(', ')}`,
        percent,
        bands: having.length <= MOST_BANDS,
      },
    )}
  </figure>`;
}
