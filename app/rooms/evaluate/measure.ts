import { accuracyCurve } from '../../../adversarial/accuracy-curve.js';
import { partOf } from '../../../adversarial/attacks/ball.js';
import { fgsmAttack } from '../../../adversarial/attacks/fgsm.js';
import { pgdAttack } from '../../../adversarial/attacks/pgd.js';
import type { Attack } from '../../../adversarial/attacks/attack.js';
import { evaluate, type EvaluationProgress } from '../../../adversarial/evaluation.js';
import type { EvaluatedBatch } from '../../../adversarial/evaluation-batch.js';
import { sanity } from '../../../adversarial/sanity.js';
import type { Dataset } from '../../../data/dataset.js';
import type { Module } from '../../../nn/module.js';
import { RADII, VERSIONS, noFindings, type Findings, type Progress, type Version } from './findings.js';

/** Images at a time: few, so that one can stop soon on a slow adapter. */
const BATCH = 25;

/** Queries of the Square attack among the sanity checks; its own 500 take most of the time. */
const QUERIES = 200;

/** What each measurement costs beside one pass over the images, by the steps of its attacks. */
const COSTS = { natural: 1, fgsm: 2, pgd: 41, sanity: 900 };

/** A model under its title. */
export interface Contestant {
  readonly title: string;
  readonly model: Module;
}

/** What to measure, and whom to tell. */
export interface MeasureOptions {
  readonly eps: number;
  readonly sanity: boolean;
  readonly signal: AbortSignal;
  /** Called with all that is known of a model whenever something is added. */
  readonly onFindings: (findings: Findings) => void;
  readonly onProgress: (progress: Progress) => void;
}

/**
 * Measures models on the same images: accuracies with and without an attack at eps, then the accuracy under PGD-20 against the radius, then
 * the sanity checks. Always with the same random numbers.
 *
 * @throws the signal's reason, and as `evaluate` and `sanity` do
 */
export async function measure(
  contestants: readonly Contestant[],
  dataset: Dataset,
  { eps, sanity: checked, signal, onFindings, onProgress }: MeasureOptions,
): Promise<void> {
  const meter = new Meter(contestants.length, checked, onProgress);
  const runs = contestants.map(({ title, model }) => ({ title, model, known: noFindings(title), done: batches() }));
  type Run = (typeof runs)[number];
  const add = (run: Run, more: Partial<Findings>): void => {
    run.known = { ...run.known, ...more };
    onFindings(run.known);
  };
  const callOf = ({ done, title }: Run, what: string, cost: number) => ({
    batchSize: BATCH,
    signal,
    // The natural images are measured once for all.
    done: [...done],
    onBatch: (batch: EvaluatedBatch) => {
      if (batch.version === 'natural') done.push(batch);
    },
    onProgress: meter.part(`${title}: ${what}`, cost),
  });

  const attacks = { fgsm: fgsmAttack({ eps }), 'pgd-20': pgd20(eps) };
  for (const version of Object.keys(VERSIONS) as Version[]) {
    for (const run of runs) {
      const asked = version === 'natural' ? {} : { [version]: attacks[version] };
      const call = callOf(run, VERSIONS[version], COSTS[version === 'pgd-20' ? 'pgd' : version]);
      const result = await evaluate(run.model, dataset, { ...call, attacks: asked, examples: 0, worst: 0 });
      const { accuracy } = result.attacks[version] ?? result.natural;
      add(run, { accuracies: { ...run.known.accuracies, [version]: accuracy } });
    }
  }
  for (const radius of RADII) {
    for (const run of runs) {
      const call = callOf(run, `PGD-20 within ${radius}`, COSTS.pgd);
      const curve = await accuracyCurve(run.model, dataset, {
        ...call,
        setting: 'eps',
        values: [radius],
        attackAt: pgd20,
      });
      const points = curve.points.map(({ value, accuracy }) => ({ eps: value, accuracy }));
      add(run, { curve: [...run.known.curve, ...points] });
    }
  }
  if (!checked) return;
  for (const run of runs) {
    const { batchSize, onProgress: progressed } = callOf(run, 'sanity checks', COSTS.sanity);
    const call = { eps, queries: QUERIES, batchSize, signal, onProgress: progressed };
    const { verdict, checks } = await sanity(run.model, dataset, call);
    add(run, { sanity: { verdict, checks } });
  }
}

function batches(): EvaluatedBatch[] {
  return [];
}

function pgd20(eps: number): Attack {
  return pgdAttack({ eps, stepSize: partOf(eps, 1 / 10), steps: 20 });
}

/** Adds measurements up to one progress, by what each costs. */
class Meter {
  readonly #total: number;
  readonly #onProgress: (progress: Progress) => void;
  #before = 0;

  constructor(models: number, checked: boolean, onProgress: (progress: Progress) => void) {
    const each = COSTS.natural + COSTS.fgsm + COSTS.pgd * (1 + RADII.length) + (checked ? COSTS.sanity : 0);
    this.#total = models * each;
    this.#onProgress = onProgress;
  }

  /** The next measurement, which begins when the one before has ended. */
  part(doing: string, cost: number): (progress: EvaluationProgress) => void {
    const before = this.#before;
    this.#before += cost;
    this.#onProgress({ doing, share: before / this.#total });
    return ({ done, total }) => this.#onProgress({ doing, share: (before + (cost * done) / total) / this.#total });
  }
}
