import { html, type Html } from '../../report/html.js';
import { formatProportion } from '../table.js';
import { accuracyCurveChart } from './charts.js';
import type { ReportRun } from './data.js';

/** How the accuracies go with eps, steps and restarts. */
export function accuracyCurvesSection(runs: readonly ReportRun[]): Html | undefined {
  const shown = runs.flatMap(({ name, curves = [] }) => curves.map((curve) => ({ name, ...curve })));
  if (shown.length === 0) return undefined;
  return html`<h2>Accuracy under PGD-20</h2>
    <p>
      With eps it has to fall to chance or below; with steps and restarts it has to come to rest. Otherwise the attack
      is too weak to say much.
    </p>
    <div class="charts">
      ${shown.map(
        ({ name, setting, points }) =>
          html`<figure>
            <figcaption><strong>${name}</strong>: accuracy against ${setting}</figcaption>
            ${accuracyCurveChart(
              points,
              setting,
              `Accuracy of ${name} against ${setting}: ${points.map(({ value, accuracy }) => `${value}: ${formatProportion(accuracy)}`).join('; ')}.`,
            )}
          </figure>`,
      )}
    </div>`;
}
