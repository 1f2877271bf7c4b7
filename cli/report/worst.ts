import type { WorstExample } from '../../adversarial/evaluation-tally.js';
import { html, type Html } from '../../report/html.js';
import type { ReportRun } from './data.js';
import { imageUri, perturbationUri } from './images.js';

/** Pictures of the examples that each attack fooled by the largest margins. */
export function worstSection(runs: readonly ReportRun[]): Html | undefined {
  const shown = runs.flatMap(({ name, evaluation }) =>
    Object.entries(evaluation?.attacks ?? {}).flatMap(([attack, { worst }]) =>
      worst.length > 0 ? [{ name, attack, worst, shape: evaluation?.exampleShape ?? [] }] : [],
    ),
  );
  if (shown.length === 0) return undefined;
  return html`<h2>Worst cases</h2>
    <p>
      Examples that are right without the attack and wrong under it, by the largest margins of the logits: the image,
      its perturbation (each enlarged to the full range of colours), and the adversarial image.
    </p>
    ${shown.map(
      ({ name, attack, worst, shape }) => html`
        <h3>${name}, ${attack}</h3>
        <div class="charts">${worst.map((example) => exampleFigure(example, shape))}</div>
      `,
    )}`;
}

/** A natural image, its perturbation and its adversarial version, with what it is taken for. */
export function exampleFigure(
  { index, label, prediction, margin, natural, adversarial }: WorstExample,
  shape: readonly number[],
): Html {
  const scale = natural.reduce((most, value, at) => Math.max(most, Math.abs((adversarial[at] ?? value) - value)), 0);
  const picture = (uri: string, alt: string): Html => html`<img class="pixels" src="${uri}" alt="${alt}" />`;
  return html`<figure>
    <figcaption>no. ${index}: ${label} taken for ${prediction}, margin ${Number(margin.toPrecision(3))}</figcaption>
    <div class="row">
      ${picture(imageUri(natural, shape), `image ${index}`)}
      ${picture(perturbationUri(natural, adversarial, { shape, scale }), `perturbation of image ${index}`)}
      ${picture(imageUri(adversarial, shape), `adversarial version of image ${index}, taken for ${prediction}`)}
    </div>
  </figure>`;
}
