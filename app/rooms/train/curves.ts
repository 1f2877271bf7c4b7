/** What a run has shown so far, as lines over its steps. */
export interface Curves {
  /** The steps that were logged. */
  readonly steps: readonly number[];
  /** The loss and its terms, by name, one value to each step; null before the term was there. */
  readonly terms: Readonly<Record<string, readonly (number | null)[]>>;
  /** Accuracy on the training batches, natural and adversarial, in %. */
  readonly batches: Readonly<Record<string, readonly (number | null)[]>>;
  /** The measurements on test images. */
  readonly measured: readonly Measured[];
  /** The largest value of mutual information: ln of the number of classes. */
  readonly maximum: number | undefined;
}

/** One measurement on test images. */
export interface Measured {
  readonly step: number;
  readonly images: number;
  /** How many were right, as they are and after PGD. */
  readonly natural: number;
  readonly robust: number;
  /** Joint distribution of the predictions of natural (rows) and adversarial images, row-major, and its mutual information in nats. */
  readonly joint: readonly number[];
  readonly mutualInformation: number;
}

/** A run that has shown nothing. */
export const NO_CURVES: Curves = { steps: [], terms: {}, batches: {}, measured: [], maximum: undefined };

/** What a step logged. */
export interface Logged {
  readonly step: number;
  readonly metrics: Readonly<Record<string, number>>;
  readonly maxima: Readonly<Record<string, number>>;
}

const ACCURACIES: Readonly<Record<string, string>> = {
  naturalAccuracy: 'natural',
  adversarialAccuracy: 'attacked',
};

/** The curves with more steps at their ends. Names that come late begin with nothing. */
export function withSteps(curves: Curves, logged: readonly Logged[]): Curves {
  const count = curves.steps.length;
  const terms = logged.map(({ metrics }) => Object.entries(metrics).filter(([name]) => !(name in ACCURACIES)));
  const batches = logged.map(({ metrics }) =>
    Object.entries(ACCURACIES).flatMap(([key, title]): [string, number][] => {
      const value = metrics[key];
      return value === undefined ? [] : [[title, 100 * value]];
    }),
  );
  return {
    ...curves,
    steps: [...curves.steps, ...logged.map(({ step }) => step)],
    terms: appended(curves.terms, terms, count),
    batches: appended(curves.batches, batches, count),
    maximum: logged.findLast(({ maxima }) => 'mi' in maxima)?.maxima['mi'] ?? curves.maximum,
  };
}

/** Lines of `count` values, with what each step logged at their ends. */
function appended(
  lines: Curves['terms'],
  logged: readonly (readonly (readonly [string, number])[])[],
  count: number,
): Curves['terms'] {
  const more = logged.map((values) => new Map(values));
  const names = new Set([...Object.keys(lines), ...more.flatMap((values) => [...values.keys()])]);
  return Object.fromEntries(
    Array.from(names, (name) => {
      const before = lines[name] ?? new Array<null>(count).fill(null);
      return [name, [...before, ...more.map((values) => values.get(name) ?? null)]];
    }),
  );
}

/** The part of the curves up to a step: what a run that goes on from there has. */
export function upTo(curves: Curves, step: number): Curves {
  const count = curves.steps.filter((each) => each <= step).length;
  const cut = (lines: Curves['terms']): Curves['terms'] =>
    Object.fromEntries(Object.entries(lines).map(([name, values]) => [name, values.slice(0, count)]));
  return {
    ...curves,
    steps: curves.steps.slice(0, count),
    terms: cut(curves.terms),
    batches: cut(curves.batches),
    measured: curves.measured.filter((each) => each.step <= step),
  };
}
