import { accuraciesSection } from './accuracies.js';
import { accuracyCurvesSection } from './accuracy-curves.js';
import { classesSection } from './classes.js';
import type { ReportData, ReportRun } from './data.js';
import { examplesSection } from './examples.js';
import { htmlPage } from '../../report/frame.js';
import { html, type Html } from '../../report/html.js';
import { jointsSection } from './joints.js';
import { overlookedSection } from './overlooked.js';
import { trainingSection } from './training.js';
import { worstSection } from './worst.js';

/** A report as one HTML file that loads nothing from anywhere. */
export function renderReport(data: ReportData): string {
  const several = data.runs.length > 1;
  return htmlPage(
    data.title,
    html`<p>${data.summary}</p>
      ${findings(data)} ${warnings(data.runs)} ${accuraciesSection(data.runs)}
      ${data.runs.map((run) => trainingSection(run, several))} ${examplesSection(data.runs)}
      ${accuracyCurvesSection(data.runs)} ${overlookedSection(data.runs)} ${worstSection(data.runs)}
      ${classesSection(data.runs)} ${jointsSection(data.runs)} ${settings(data)}`,
  );
}

function findings({ findings: found = [] }: ReportData): Html | undefined {
  if (found.length === 0) return undefined;
  return html`<ul>
    ${found.map(
      ({ text, met, word = met ? 'met' : 'not met' }) =>
        html`<li>${text}: <span class="${met ? 'right' : 'wrong'}">${word}</span></li>`,
    )}
  </ul>`;
}

function warnings(runs: readonly ReportRun[]): Html[] {
  return runs.flatMap(({ name, warnings: said }) =>
    said.map((text) => html`<p class="warning"><strong>Warning</strong> (${name}): ${text}</p>`),
  );
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
