import { curves, type Series } from './charts.js';
import type { ReportRun } from './data.js';
import { MAXIMUM } from '../history.js';
import { html, seriesKey, type Html } from '../../report/html.js';

/** What charts call the terms of a loss; others go by their names. */
export const LABELS: Readonly<Record<string, string>> = {
  total: 'Total loss',
  ce: 'Cross-entropy (nats)',
  bce: 'Boosted cross-entropy (nats)',
  mi: 'Mutual information (nats; larger is better)',
  l1: 'L1 distance of the logits',
  mse: 'Squared distance of the logits',
  kl: 'KL divergence of the predictions (nats)',
  eps: 'Radius eps of the attack',
  gradientNorm: 'Norm of the gradients before clipping',
};

/** Numbers of a step that are no term of the loss. */
export const OTHERS: ReadonlySet<string> = new Set([
  ...['lr', 'eps', 'epoch', 'naturalAccuracy', 'adversarialAccuracy', 'stepsPerSecond'],
  ...['validationNatural', 'validationRobust'],
]);

/** The curves of one run: accuracies, terms of the loss, the attack's radius. */
export function trainingSection(run: ReportRun, several: boolean): Html | undefined {
  const { name, history } = run;
  const last = history.at(-1);
  if (!last) return undefined;
  const accuracies = [
    seriesOf(run, 'naturalAccuracy', 'natural'),
    seriesOf(run, 'adversarialAccuracy', 'adversarial'),
    seriesOf(run, 'validationNatural', 'natural, validation'),
    seriesOf(run, 'validationRobust', 'PGD, validation'),
  ];
  const shown = accuracies.filter(({ points }) => points.length > 0);
  return html`<h2>${several ? `Training: ${name}` : 'Training'}</h2>
    <p class="faint">
      ${last.step} steps. Lines are averages over neighbouring steps, bands the range of the single steps; accuracies
      are those of each step's own batch.
    </p>
    <div class="curves">
      <figure>
        <figcaption>
          <strong>Accuracy</strong>${shown.map(({ name: label }, index) => seriesKey(index, label))}
        </figcaption>
        ${curves(shown, { label: `Accuracy over the steps of ${name}`, percent: true })}
      </figure>
      ${[...termsOf(Object.keys(last.values)), 'eps'].map((term) => termChart(run, term))}
    </div>`;
}

/** Whether a number is the largest value that another can have. */
export function isMaximum(name: string, names: ReadonlySet<string>): boolean {
  return name.endsWith(MAXIMUM) && names.has(name.slice(0, -MAXIMUM.length));
}

/** The terms of the loss; the total only where it is not the same as its only term. */
function termsOf(names: readonly string[]): string[] {
  const terms = names.filter((name) => !OTHERS.has(name) && !isMaximum(name, new Set(names)));
  return terms.length === 2 ? terms.filter((name) => name !== 'total') : terms;
}

/** A number of each step as a series, without the steps that lack it or have none that is finite. */
export function seriesOf({ history }: Pick<ReportRun, 'history'>, key: string, name: string): Series {
  const points = history.flatMap(({ step, values }) => {
    const value = values[key];
    return value === undefined || !Number.isFinite(value) ? [] : [{ step, value }];
  });
  return { name, points };
}

function termChart(run: ReportRun, term: string): Html | undefined {
  const series = seriesOf(run, term, term);
  if (series.points.every(({ value }) => value === 0)) return undefined;
  const label = LABELS[term] ?? term;
  const most = seriesOf(run, term + MAXIMUM, 'maximum');
  const drawn = most.points.length > 0 ? [series, most] : [series];
  return html`<figure>
    <figcaption>
      <strong>${label}</strong>${drawn.length > 1 ? drawn.map(({ name }, index) => seriesKey(index, name)) : ''}
    </figcaption>
    ${curves(drawn, { label: `${label} over the steps of ${run.name}` })}
  </figure>`;
}
