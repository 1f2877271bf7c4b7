import { html, type Html } from '../../report/html.js';
import type { ReportRun } from './data.js';
import { exampleFigure } from './worst.js';

/** Pictures of the examples that attacks without gradients fooled and none with gradients did. */
export function overlookedSection(runs: readonly ReportRun[]): Html | undefined {
  const shown = runs.flatMap(({ name, evaluation, overlooked = {} }) =>
    Object.entries(overlooked).map(([attack, examples]) => ({
      name,
      attack,
      examples,
      shape: evaluation?.exampleShape ?? [],
    })),
  );
  if (shown.length === 0) return undefined;
  return html`<h2>Overlooked by gradients</h2>
    <p>
      The first examples that an attack without the model's gradients fooled and none with them did: the image, its
      perturbation (each enlarged to the full range of colours), and the adversarial image.
    </p>
    ${shown.map(
      ({ name, attack, examples, shape }) => html`
        <h3>${name}, ${attack}</h3>
        <div class="charts">${examples.map((example) => exampleFigure(example, shape))}</div>
      `,
    )}`;
}
