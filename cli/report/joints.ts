import { heatMap } from './charts.js';
import { shownAttack, type ReportRun } from './data.js';
import { html, type Html } from '../../report/html.js';

/** The joint distribution of the classes given to natural and adversarial images, as a heat map for each model. */
export function jointsSection(runs: readonly ReportRun[]): Html | undefined {
  const maps = runs.flatMap(({ name, evaluation }) => {
    const attack = shownAttack(evaluation);
    if (!attack) return [];
    const { distribution, mutualInformation, maximum } = attack.result.joint;
    const numbers = `mutual information ${mutualInformation.toFixed(3)} of at most ${maximum.toFixed(3)} nats`;
    return [
      html`<figure>
        <figcaption><strong>${name}</strong>, ${attack.name}: ${numbers}</figcaption>
        ${heatMap(distribution, `Joint distribution of classes, ${name} under ${attack.name}; ${numbers}.`)}
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
