import { accuracyCurve, type AccuracyCurve } from '../adversarial/accuracy-curve.js';
import type { Attack } from '../adversarial/attacks/attack.js';
import { asUsage, UsageError } from './errors.js';
import { pgdOf, type AttackListOptions } from './attack-list.js';
import type { EvaluationCall } from './evaluating.js';
import { unknownName } from '../engine/named-options.js';
import { startProgress } from './progress.js';

/** A curve that the command line asks for. */
export interface CurveRequest {
  readonly setting: CurveSetting;
  readonly values: readonly number[];
}

/** What a curve can go along. */
export const CURVE_SETTINGS = ['eps', 'steps', 'restarts'] as const;
/** One of {@link CURVE_SETTINGS}. */
export type CurveSetting = (typeof CURVE_SETTINGS)[number];

/** Reads a curve such as `eps=0,0.1,0.2`, and adds it to those before. */
export function curveOption(text: string, before: readonly CurveRequest[] = []): CurveRequest[] {
  const [name = '', list = '', ...more] = text.split('=');
  const setting = CURVE_SETTINGS.find((known) => known === name.trim());
  if (!setting) throw new UsageError(unknownName('curve', name, CURVE_SETTINGS));
  const values = list.split(',').map((value) => (value.trim() === '' ? NaN : Number(value)));
  const wanted =
    setting === 'eps'
      ? (value: number) => value >= 0 && value < Infinity
      : (value: number) => Number.isInteger(value) && value >= 1;
  if (more.length > 0 || !values.every(wanted) || new Set(values).size < values.length) {
    const domain = setting === 'eps' ? 'different numbers from 0 up' : 'different integers from 1 up';
    throw new UsageError(
      `--curve: '${text}' does not give ${domain}, such as ${setting}=${setting === 'eps' ? '0,0.1,0.2' : '1,5,20'}`,
    );
  }
  return [...before, { setting, values }];
}

/** A curve whose attacks are made. */
export interface PlannedCurve extends CurveRequest {
  readonly attackAt: (value: number) => Attack;
}

/** The attacks of a curve: PGD-20 with one of its settings at each value. Throws a `UsageError` for a value that it refuses. */
export function planCurve(request: CurveRequest, options: AttackListOptions): PlannedCurve {
  const attackAt = (value: number): Attack => pgdOf({ ...options, steps: 20, restarts: 1, [request.setting]: value });
  for (const value of request.values) asUsage(() => attackAt(value));
  return { ...request, attackAt };
}

/** The curves asked for, with a progress display; undefined when the user stops it. */
export async function runCurves(
  requests: readonly PlannedCurve[],
  { context, model, dataset, batchSize = 100, seed, journal }: Omit<EvaluationCall, 'attacks' | 'label' | 'attackOn'>,
): Promise<AccuracyCurve[] | undefined> {
  const curves: AccuracyCurve[] = [];
  for (const request of requests) {
    const progress = startProgress(context, `accuracy against ${request.setting}`, 'images');
    try {
      const curve = await accuracyCurve(model, dataset, {
        ...request,
        batchSize,
        seed,
        done: journal?.done ?? [],
        // The evaluation before has the natural images already.
        onBatch: (batch) => {
          if (batch.version !== 'natural') journal?.write(batch);
        },
        signal: context.signal,
        onProgress: ({ version, done, total, examplesPerSecond: rate, secondsLeft }) => {
          progress.show({ done, total, rate, secondsLeft, note: version });
        },
      });
      curves.push(curve);
    } catch (error) {
      if (error !== context.signal.reason) throw error;
      return undefined;
    } finally {
      progress.stop();
    }
  }
  return curves;
}
