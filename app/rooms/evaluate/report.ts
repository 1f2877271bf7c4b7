/** The report of an evaluation: a page that loads nothing, and the same as JSON. */
import { htmlPage } from '../../../report/frame.js';
import { html, seriesKey, type Html } from '../../../report/html.js';
import { SHIPPED_MODELS } from '../../models.js';
import { curveChart } from './curve-chart.js';
import { RADII, VERSIONS, inWords, type EvaluationRequest, type Findings, type Version } from './findings.js';

/** All numbers, for programs. */
export function reportJson(request: EvaluationRequest, findings: readonly Findings[]): string {
  const { images, eps } = request;
  return JSON.stringify(
    { dataset: 'MNIST, test images of the page', images, eps, seed: 0, attack: 'pgd-20', models: findings },
    null,
    2,
  );
}

/** A page for people. */
export function reportHtml(request: EvaluationRequest, findings: readonly Findings[]): string {
  const { images, eps } = request;
  const versions = Object.entries(VERSIONS) as [Version, string][];
  return htmlPage(
    'Robustness of two classifiers',
    html`<p>
        On ${images} test images of MNIST, as many of each digit; attacks within an Linf ball of ${eps}, PGD-20 with 20
        steps of a tenth of the radius from a uniform start. Intervals of 95 % confidence (Wilson).
      </p>
      <h2>Accuracy</h2>
      <div class="scroll">
        <table>
          <thead>
            <tr>
              <th scope="col">Model</th>
              ${versions.map(([, title]) => html`<th scope="col">${title}</th>`)}
            </tr>
          </thead>
          <tbody>
            ${findings.map(
              ({ title, accuracies }) =>
                html`<tr>
                  <th scope="row">${title}</th>
                  ${versions.map(([version]) => html`<td>${told(accuracies[version])}</td>`)}
                </tr>`,
            )}
          </tbody>
        </table>
      </div>
      <h2>Accuracy under PGD-20 against eps</h2>
      <p>${findings.map(({ title }, index) => seriesKey(index, title))}</p>
      ${curveChart(findings)}
      <div class="scroll">
        <table>
          <thead>
            <tr>
              <th scope="col">eps</th>
              ${findings.map(({ title }) => html`<th scope="col">${title}</th>`)}
            </tr>
          </thead>
          <tbody>
            ${RADII.map(
              (radius) =>
                html`<tr>
                  <th scope="row">${radius}</th>
                  ${findings.map(
                    ({ curve }) => html`<td>${told(curve.find((point) => point.eps === radius)?.accuracy)}</td>`,
                  )}
                </tr>`,
            )}
          </tbody>
        </table>
      </div>
      ${findings.map(checksOf)} ${commandsOf(findings)}`,
  );
}

function told(accuracy: Parameters<typeof inWords>[0] | undefined): string {
  return accuracy ? inWords(accuracy) : 'not measured';
}

function checksOf({ title, sanity }: Findings): Html | undefined {
  if (!sanity) return undefined;
  return html`<h2>Sanity checks of ${title}: ${sanity.verdict}</h2>
    <table>
      <tbody>
        ${sanity.checks.map(
          ({ name, verdict, finding, advice }) =>
            html`<tr>
              <th scope="row">${name}</th>
              <td>${verdict}</td>
              <td>${finding}${verdict === 'pass' ? '' : ` (${advice})`}</td>
            </tr>`,
        )}
      </tbody>
    </table>`;
}

function commandsOf(findings: readonly Findings[]): Html | undefined {
  const shipped = SHIPPED_MODELS.filter((model) => findings.some(({ title }) => title === model.title));
  if (shipped.length === 0) return undefined;
  return html`<h2>How the models were trained</h2>
    <ul>
      ${shipped.map(({ title, command }) => html`<li>${title}: <code>${command}</code></li>`)}
    </ul>`;
}
