import type { TrainConfig } from '../config.js';

/** Below this, batches and networks are smaller too. */
const SMALL = 0.1;
const SMALL_BATCH = 1 / 8;
/** Factors of a network's channels, for the plain network and the residual ones. */
const SMALL_WIDTH = { cnn4: 0.5, residual: 0.25 } as const;
/** Fewer passes over the data teach nothing. */
const LEAST_EPOCHS = 4;

/** How many of `full` a scale leaves; 1 at least. */
export function scaledCount(full: number, scale: number): number {
  return Math.max(1, Math.round(full * scale));
}

/**
 * A run made smaller by a factor of 0 to 1; at 1 it is the same. Down go the training images (the first ones are taken), the epochs, which stay at
 * least 4, and with them the epochs at which the rate drops; below 0.1 also the batch, to an eighth, and the channels of the network, to a half (cnn4) or
 * a quarter (residual networks). Everything else is as it was.
 *
 * @param images how many training images there are
 */
export function scaledConfig(config: TrainConfig, scale: number, images: number): TrainConfig {
  if (scale === 1) return config;
  const { training, model, dataset } = config;
  const epochs =
    training.epochs === null
      ? null
      : Math.min(training.epochs, Math.max(LEAST_EPOCHS, scaledCount(training.epochs, scale)));
  const small = scale < SMALL;
  const width = model.name === 'cnn4' ? SMALL_WIDTH.cnn4 : SMALL_WIDTH.residual;
  return {
    ...config,
    dataset: { ...dataset, subset: scaledCount(images, scale) },
    model: small
      ? { ...model, options: { ...model.options, width: Number(model.options['width'] ?? 1) * width } }
      : model,
    training: {
      ...training,
      epochs,
      batchSize: small ? scaledCount(training.batchSize, SMALL_BATCH) : training.batchSize,
      schedule: scaledSchedule(training, epochs),
    },
  };
}

/** Drops stay at the same part of the run; those that would come after its end go. */
function scaledSchedule(
  { schedule, epochs: full }: TrainConfig['training'],
  epochs: number | null,
): TrainConfig['training']['schedule'] {
  if (schedule.name !== 'step' || full === null || epochs === null) return schedule;
  const drops = (schedule.drops ?? []).map((epoch) => 1 + Math.round(((epoch - 1) / full) * epochs));
  return { ...schedule, drops: drops.filter((epoch) => epoch <= epochs) };
}

/** What was made smaller, in sentences; none at scale 1. */
export function scaleNotes(
  full: TrainConfig,
  scaled: TrainConfig,
  tests: { readonly full: number; readonly scaled: number; readonly images: number },
): string[] {
  const changes: [string, unknown, unknown][] = [
    ['training images', tests.images, scaled.dataset.subset ?? tests.images],
    ['test images', tests.full, tests.scaled],
    ['epochs', full.training.epochs, scaled.training.epochs],
    ['the rate drops at epochs', dropsOf(full), dropsOf(scaled)],
    ['batch size', full.training.batchSize, scaled.training.batchSize],
    ["factor of the network's channels", full.model.options['width'], scaled.model.options['width']],
  ];
  return changes.flatMap(([what, before, after]) =>
    before === after ? [] : [`${what}: ${String(after)} instead of ${String(before)}`],
  );
}

/** The notes of all rows, each once: first those that are true of all, then the others with the rows that they are true of. */
export function sharedNotes(rows: readonly { readonly label: string; readonly notes: readonly string[] }[]): string[] {
  const found = [...new Set(rows.flatMap(({ notes }) => notes))].map((note) => {
    const labels = rows.filter(({ notes }) => notes.includes(note)).map(({ label }) => label);
    return { note, labels, isShared: labels.length === rows.length };
  });
  return [
    ...found.filter(({ isShared }) => isShared).map(({ note }) => note),
    ...found
      .filter(({ isShared }) => !isShared)
      .map(({ note, labels }) => `${note} (${labels.length === 1 ? 'row' : 'rows'} ${labels.join(', ')})`),
  ];
}

function dropsOf({ training: { schedule } }: TrainConfig): string {
  return schedule.name === 'step' ? (schedule.drops ?? []).join(', ') || 'none' : '';
}
