import { accuraciesOf } from '../history.js';
import { formatProportion } from '../table.js';
import { accuracyChart, curves, heatMap, type Series } from './charts.js';
import type { ReportData, ReportRun } from './data.js';
import { examplesTable } from './examples.js';
import { Html, html } from './html.js';
import { STYLE } from './style.js';

/** A report as one HTML file that loads nothing from anywhere. */
export function renderReport(data: ReportData): string {
  const several = data.runs.length > 1;
  const page = html`<!doctype html>
    <html lang="en">
      <head>
        <meta charset="utf-8" />
        <meta name="viewport" content="width=device-width, initial-scale=1" />
        <title>${data.title}</title>
        <style>
          ${new Html(STYLE)}
        </style>
      </head>
      <body>
        <main>
          <h1>${data.title}</h1>
          <p>${data.summary}</p>
          ${findings(data)} ${warnings(data.runs)} ${accuracies(data.runs)}
          ${data.runs.map((run) => training(run, several))} ${examples(data.runs)} ${joints(data.runs)}
          ${settings(data)}
        </main>
      </body>
    </html> `;
  return page.text;
}

function findings({ findings: found = [] }: ReportData): Html | undefined {
  if (found.length === 0) return undefined;
  return html`<ul>
    ${found.map(
      ({ text, met }) =>
        html`<li>${text}: <span class="${met ? 'right' : 'wrong'}">${met ? 'met' : 'not met'}</span></li>`,
    )}
  </ul>`;
}

function warnings(runs: readonly ReportRun[]): Html[] {
  return runs.flatMap(({ name, warnings: said }) =>
    said.map((text) => html`<p class="warning"><strong>Warning</strong> (${name}): ${text}</p>`),
  );
}

function accuracies(runs: readonly ReportRun[]): Html | undefined {
  const columns = runs.flatMap(({ name, evaluation }) => (evaluation ? [{ name, evaluation }] : []));
  const [first] = columns;
  if (!first)
    return html`<h2>Accuracies</h2>
      <p>The model was not evaluated.</p>`;
  const all = columns.map(({ name, evaluation }) => ({ name, accuracies: accuraciesOf(evaluation) }));
  const versions = [...new Set(all.flatMap((column) => Object.keys(column.accuracies)))];
  const points = all.flatMap(({ name, accuracies: by }) =>
    Object.entries(by).map(([version, accuracy]) => ({ run: name, version, accuracy })),
  );
  const { dataset, size } = first.evaluation;
  return html`<h2>Accuracies</h2>
    <div class="scroll">
      <table>
        <caption>
          On ${size} examples of ${dataset}, with 95 % intervals (Wilson). An example counts in the worst case if no
          version of it is misclassified.
        </caption>
        <thead>
          <tr>
            <th scope="col">images</th>
            ${all.map(({ name }) => html`<th scope="col">${name}</th>`)}
            <th scope="col">attack</th>
          </tr>
        </thead>
        <tbody>
          ${versions.map(
            (version) =>
              html`<tr>
                <th scope="row">${version}</th>
                ${all.map(({ accuracies: by }) => html`<td>${by[version] ? formatProportion(by[version]) : '–'}</td>`)}
                <td class="faint">${attackText(first.evaluation.attacks[version]?.settings)}</td>
              </tr>`,
          )}
        </tbody>
      </table>
    </div>
    <figure>
      <figcaption>${all.length > 1 && all.map(({ name }, index) => key(index, name))}</figcaption>
      ${accuracyChart(points, 'Accuracies with their 95 % intervals; the numbers are in the table above.')}
    </figure>`;
}

function key(index: number, name: string): Html {
  return html`<span class="key k${index % 4}"></span>${name}`;
}

/** An attack's settings in a few words. */
function attackText(settings: Readonly<Record<string, string | number>> | undefined): string {
  return Object.entries(settings ?? {})
    .map(([name, value]) => `${name} ${typeof value === 'number' ? Number(value.toPrecision(4)) : value}`)
    .join(', ');
}

const LABELS: Readonly<Record<string, string>> = {
  total: 'Total loss',
  ce: 'Cross-entropy (nats)',
  bce: 'Boosted cross-entropy (nats)',
  mi: 'Mutual information (nats; larger is better)',
  l1: 'L1 distance of the logits',
};

/** Numbers of a step that are no term of the loss. */
const OTHERS = new Set(['lr', 'eps', 'epoch', 'naturalAccuracy', 'adversarialAccuracy', 'stepsPerSecond']);

function training({ name, history }: ReportRun, several: boolean): Html | undefined {
  const last = history.at(-1);
  if (!last) return undefined;
  const seriesOf = (key: string, label: string): Series => ({
    name: label,
    points: history.flatMap(({ step, values }) => {
      const value = values[key];
      return value === undefined || !Number.isFinite(value) ? [] : [{ step, value }];
    }),
  });
  const accuracy = [seriesOf('naturalAccuracy', 'natural'), seriesOf('adversarialAccuracy', 'adversarial')];
  const shown = accuracy.filter(({ points }) => points.length > 0);
  const terms = Object.keys(last.values).filter((term) => !OTHERS.has(term));
  const title = several ? `Training: ${name}` : 'Training';
  return html`<h2>${title}</h2>
    <p class="faint">
      ${last.step} steps. Lines are averages over neighbouring steps, bands the range of the single steps; accuracies
      are those of each step's own batch.
    </p>
    <div class="charts">
      <figure>
        <figcaption><strong>Accuracy</strong>${shown.map(({ name: label }, index) => key(index, label))}</figcaption>
        ${curves(shown, { label: `Accuracy over the steps of ${name}`, percent: true })}
      </figure>
      ${[...terms, 'eps'].map((term) => termChart(seriesOf(term, term), term, name))}
    </div>`;
}

function termChart(series: Series, term: string, run: string): Html | undefined {
  if (series.points.every(({ value }) => value === 0)) return undefined;
  const label = term === 'eps' ? 'Radius eps of the attack' : (LABELS[term] ?? term);
  return html`<figure>
    <figcaption><strong>${label}</strong></figcaption>
    ${curves([series], { label: `${label} over the steps of ${run}` })}
  </figure>`;
}

function examples(runs: readonly ReportRun[]): Html | undefined {
  const shown = runs.flatMap(({ name, evaluation }) => {
    const attack = strongest(evaluation);
    return evaluation && attack !== undefined ? [{ name, evaluation, attack }] : [];
  });
  return shown.length > 0 ? examplesTable(shown) : undefined;
}

/** The attack that is shown: the last one asked for. */
function strongest(evaluation: ReportRun['evaluation']): string | undefined {
  return Object.keys(evaluation?.attacks ?? {}).at(-1);
}

function joints(runs: readonly ReportRun[]): Html | undefined {
  const maps = runs.flatMap(({ name, evaluation }) => {
    const attack = strongest(evaluation);
    const joint = attack === undefined ? undefined : evaluation?.attacks[attack]?.joint;
    if (!joint) return [];
    const { distribution, mutualInformation, maximum } = joint;
    const numbers = `mutual information ${mutualInformation.toFixed(3)} of at most ${maximum.toFixed(3)} nats`;
    return [
      html`<figure>
        <figcaption><strong>${name}</strong>, ${attack}: ${numbers}</figcaption>
        ${heatMap(distribution, `Joint distribution of classes, ${name} under ${attack ?? ''}; ${numbers}.`)}
      </figure>`,
    ];
  });
  if (maps.length === 0) return undefined;
  return html`<h2>Joint distribution of classes</h2>
    <p>
      How the class probabilities of natural images (rows) go with those of their adversarial versions (columns), in per
      cent of the whole; cells under 0.05 have no number. A robust model has all of it on the diagonal, and the mutual
      information of the two, which MIMAE-AT raises, is at its largest.
    </p>
    <div class="charts">${maps}</div>`;
}

function settings({ runs, environment }: ReportData): Html {
  const names = [...new Set(runs.flatMap((run) => Object.keys(run.settings)))];
  return html`<h2>Settings</h2>
    <div class="scroll">
      <table>
        <caption>
          Settings of ${runs.length > 1 ? 'the runs' : 'the run'}.
        </caption>
        <thead>
          <tr>
            <th scope="col">setting</th>
            ${runs.map(({ name }) => html`<th scope="col">${name}</th>`)}
          </tr>
        </thead>
        <tbody>
          ${names.map(
            (name) =>
              html`<tr>
                <th scope="row">${name}</th>
                ${runs.map((run) => html`<td>${run.settings[name] ?? '–'}</td>`)}
              </tr>`,
          )}
        </tbody>
      </table>
    </div>
    <div class="scroll">
      <table>
        <caption>
          What it ran on.
        </caption>
        <tbody>
          ${Object.entries(environment).map(
            ([name, value]) =>
              html`<tr>
                <th scope="row">${name}</th>
                <td>${value}</td>
              </tr>`,
          )}
        </tbody>
      </table>
    </div>`;
}
