import type { Evaluation, EvaluationExample } from '../../adversarial/evaluation-tally.js';
import { shownAttack, type ReportRun } from './data.js';
import { html, type Html } from '../../report/html.js';
import { imageUri, perturbationUri } from './images.js';

/** One model's examples under one attack. */
interface ShownExamples {
  readonly name: string;
  readonly evaluation: Evaluation;
  readonly attack: string;
}

/**
 * Examples, one to a row: the natural image, and for each model the adversarial image, its perturbation and what it is taken
 * for.
 */
export function examplesSection(runs: readonly ReportRun[]): Html | undefined {
  const models = runs.flatMap(({ name, evaluation }): ShownExamples[] => {
    const attack = shownAttack(evaluation);
    return evaluation && attack ? [{ name, evaluation, attack: attack.name }] : [];
  });
  const [first] = models;
  if (!first || first.evaluation.examples.length === 0) return undefined;
  const scale = Math.max(...models.map(largestPerturbation));
  return html`<h2>Examples</h2>
    <p>
      Under ${first.attack}. Perturbations are enlarged to the full range of colours:
      <span class="together"
        >darker by ${format(scale)}<span class="scale" role="img" aria-label="from blue over white to red"></span
        >brighter by ${format(scale)}.</span
      >
    </p>
    <div class="scroll">
      <table class="examples">
        <caption>
          Natural images, their adversarial versions and perturbations, and the predicted classes.
        </caption>
        <thead>
          <tr>
            <th scope="col" rowspan="2">natural</th>
            ${models.map(({ name }) => html`<th scope="colgroup" colspan="3">${name}</th>`)}
          </tr>
          <tr>
            ${models.map(
              () =>
                html`<th scope="col">natural is taken for</th>
                  <th scope="col">adversarial</th>
                  <th scope="col">perturbation</th>`,
            )}
          </tr>
        </thead>
        <tbody>
          ${first.evaluation.examples.map((example, index) => row(example, index, models, scale))}
        </tbody>
      </table>
    </div>`;
}

function row(example: EvaluationExample, at: number, models: readonly ShownExamples[], scale: number): Html {
  const { index, label, natural } = example;
  const shape = models[0]?.evaluation.exampleShape ?? [];
  return html`<tr>
    <th scope="row">
      ${picture(imageUri(natural.image, shape), `test image ${index}, a ${label}`)}<small>no. ${index}: ${label}</small>
    </th>
    ${models.map((model) => cells(model, model.evaluation.examples[at], shape, scale))}
  </tr>`;
}

function cells(
  { name, attack }: ShownExamples,
  example: EvaluationExample | undefined,
  shape: readonly number[],
  scale: number,
): Html {
  const adversarial = example?.attacks[attack];
  if (!example || !adversarial) return html`<td colspan="3">–</td>`;
  const { natural, label, index } = example;
  const taken = `taken for a ${adversarial.prediction} by ${name}`;
  return html`<td>${prediction(natural.prediction, label)}</td>
    <td>
      ${picture(imageUri(adversarial.image, shape), `adversarial version of image ${index}, ${taken}`)}<small
        >taken for ${prediction(adversarial.prediction, label)}</small
      >
    </td>
    <td>
      ${picture(
        perturbationUri(natural.image, adversarial.image, { shape, scale }),
        `perturbation of image ${index} for ${name}`,
      )}
    </td>`;
}

function prediction(predicted: number, label: number): Html {
  const right = predicted === label;
  return html`<span class="${right ? 'right' : 'wrong'}">${predicted} ${right ? '✓' : '✗'}</span>`;
}

function picture(uri: string, alt: string): Html {
  return html`<img class="pixels" src="${uri}" alt="${alt}" />`;
}

function largestPerturbation({ evaluation, attack }: ShownExamples): number {
  let largest = 0;
  for (const { natural, attacks } of evaluation.examples) {
    const adversarial = attacks[attack]?.image;
    natural.image.forEach((value, at) => {
      largest = Math.max(largest, Math.abs((adversarial?.[at] ?? value) - value));
    });
  }
  return largest;
}

function format(value: number): string {
  return String(Number(value.toPrecision(3)));
}
