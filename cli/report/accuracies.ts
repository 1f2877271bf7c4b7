import type { Evaluation } from '../../adversarial/evaluation-tally.js';
import { accuraciesOf } from '../history.js';
import { formatProportion } from '../table.js';
import { accuracyChart } from './charts.js';
import type { ReportRun } from './data.js';
import { html, seriesKey, type Html } from '../../report/html.js';

interface Column {
  readonly name: string;
  readonly evaluation: Evaluation;
  readonly accuracies: ReturnType<typeof accuraciesOf>;
}

/** The accuracies of every model, as a table and as a chart. */
export function accuraciesSection(runs: readonly ReportRun[]): Html {
  const columns = runs.flatMap(({ name, evaluation }): Column[] =>
    evaluation ? [{ name, evaluation, accuracies: accuraciesOf(evaluation) }] : [],
  );
  const [first] = columns;
  if (!first) {
    return html`<h2>Accuracies</h2>
      <p>The model was not evaluated.</p>`;
  }
  const points = columns.flatMap(({ name, accuracies }) =>
    Object.entries(accuracies).map(([version, accuracy]) => ({ run: name, version, accuracy })),
  );
  return html`<h2>Accuracies</h2>
    ${table(first, columns)}
    <figure>
      <figcaption>${columns.length > 1 && columns.map(({ name }, index) => seriesKey(index, name))}</figcaption>
      ${accuracyChart(points, 'Accuracies with their 95 % intervals; the numbers are in the table above.')}
    </figure>`;
}

function table({ evaluation }: Column, columns: readonly Column[]): Html {
  const versions = [...new Set(columns.flatMap(({ accuracies }) => Object.keys(accuracies)))];
  return html`<div class="scroll">
    <table>
      <caption>
        On ${evaluation.size} examples of ${evaluation.dataset}, with 95 % intervals (Wilson). An example counts in the
        worst case if no version of it is misclassified.
      </caption>
      <thead>
        <tr>
          <th scope="col">images</th>
          ${columns.map(({ name }) => html`<th scope="col">${name}</th>`)}
          <th scope="col">attack</th>
        </tr>
      </thead>
      <tbody>
        ${versions.map((version) => row(version, evaluation, columns))}
      </tbody>
    </table>
  </div>`;
}

function row(version: string, { attacks }: Evaluation, columns: readonly Column[]): Html {
  const cells = columns.map(({ accuracies }) => {
    const accuracy = accuracies[version];
    return html`<td>${accuracy ? formatProportion(accuracy) : '–'}</td>`;
  });
  return html`<tr>
    <th scope="row">${version}</th>
    ${cells}
    <td class="faint">${attackText(attacks[version]?.settings)}</td>
  </tr>`;
}

/** An attack's settings in a few words. */
function attackText(settings: Readonly<Record<string, string | number>> = {}): string {
  return Object.entries(settings)
    .map(([name, value]) => `${name} ${typeof value === 'number' ? Number(value.toPrecision(4)) : value}`)
    .join(', ');
}
