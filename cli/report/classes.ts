import type { VersionResult } from '../../adversarial/evaluation-tally.js';
import { html, type Html } from '../../report/html.js';
import { percent } from '../table.js';
import { heatMap } from './charts.js';
import { shownAttack, type ReportRun } from './data.js';

/** Classes from here on make a table that nobody reads. */
const MOST_CLASSES = 20;

/** The accuracy on each class, and what the classes are taken for, for each model. */
export function classesSection(runs: readonly ReportRun[]): Html | undefined {
  const shown = runs.filter(({ evaluation }) => evaluation && evaluation.classes <= MOST_CLASSES);
  if (shown.length === 0) return undefined;
  return html`<h2>Classes</h2>
    ${shown.map((run) => [classTable(run), confusions(run)])}`;
}

function versionsOf({ evaluation }: ReportRun): [string, VersionResult][] {
  return evaluation ? [['natural', evaluation.natural], ...Object.entries(evaluation.attacks)] : [];
}

function classTable(run: ReportRun): Html {
  const versions = versionsOf(run);
  return html`<div class="scroll">
    <table>
      <caption>
        Accuracy of ${run.name} on the examples of each class, in per cent.
      </caption>
      <thead>
        <tr>
          <th scope="col">class</th>
          ${versions.map(([name]) => html`<th scope="col">${name}</th>`)}
        </tr>
      </thead>
      <tbody>
        ${Array.from(
          { length: run.evaluation?.classes ?? 0 },
          (_, k) =>
            html`<tr>
              <th scope="row">${k}</th>
              ${versions.map(([, { classAccuracies }]) => {
                const accuracy = classAccuracies[k];
                return html`<td>${accuracy ? percent(accuracy.value) : '–'}</td>`;
              })}
            </tr>`,
        )}
      </tbody>
    </table>
  </div>`;
}

/** Confusion matrices of the natural images and of the last attack. */
function confusions(run: ReportRun): Html {
  const attack = shownAttack(run.evaluation);
  const versions = versionsOf(run).filter(([name]) => name === 'natural' || name === attack?.name);
  return html`<div class="charts">
    ${versions.map(([name, { confusion }]) => {
      const total = Math.max(
        1,
        confusion.flat().reduce((sum, count) => sum + count, 0),
      );
      const parts = confusion.map((row) => row.map((count) => count / total));
      return html`<figure>
        <figcaption><strong>${run.name}</strong>, ${name}: what the classes are taken for, in per cent</figcaption>
        ${heatMap(parts, `Confusion matrix of ${run.name}, ${name}.`, { x: 'class given', y: 'true class' })}
      </figure>`;
    })}
  </div>`;
}
