import { join } from 'node:path';
import type { Command } from 'commander';
import { sanity, type SanityReport } from '../../adversarial/sanity.js';
import { describeModel } from '../../nn/model-file.js';
import { writeFileAtomic } from '../../node/files.js';
import type { AdapterOptions } from '../../node/adapter.js';
import {
  epsOf,
  imagesOf,
  loadModel,
  loadTestImages,
  modelConfigOf,
  modelConfigOn,
  readCheckpoint,
} from '../checkpoint.js';
import { DATASETS, type DatasetName } from '../config.js';
import type { Context, RunCommand } from '../context.js';
import { openComputingDevice } from '../device.js';
import { EXIT, InterruptedError, UsageError } from '../errors.js';
import { RUN_FILES, chooseFolder, inRunFolder } from '../folders.js';
import { evaluationLines } from '../history.js';
import {
  COUNT,
  EPS,
  WIDTH,
  addCommonOptions,
  addPlaceOptions,
  dataOption,
  imageSizeOption,
  modelOption,
  named,
  numeric,
  seedOption,
} from '../options.js';
import { startProgress } from '../progress.js';
import { VERDICT_WORDS, sanityMarkdown } from '../report/sanity-markdown.js';
import { environmentOf, modelSettings, writeReport } from '../reporting.js';
import { formatTable } from '../table.js';

/** Test images that are taken unless told. */
const SAMPLES = 200;

interface Options {
  readonly dataset?: DatasetName;
  readonly data?: string;
  readonly imageSize?: number;
  readonly model?: string;
  readonly width?: number;
  readonly eps?: number;
  readonly substitute?: string;
  readonly queries: number;
  readonly samples?: number;
  readonly batchSize: number;
  readonly seed: number;
  readonly json?: boolean;
  readonly out?: string;
  readonly force?: boolean;
  readonly adapter?: AdapterOptions['adapter'];
}

const EXAMPLES = `
Examples:
  bulwark sanity runs/mimae-at
  bulwark sanity model.safetensors --eps 0.3 --samples 1000 --substitute other.safetensors

Each check says pass, look (at what, and why) or fail. Exit code 1 where one fails: accuracies under attack then say little.`;

/** Adds `bulwark sanity`. */
export function addSanityCommand(program: Command, run: RunCommand): void {
  const dataset = `what to check on: ${DATASETS.join(', ')} (its test images; default: the run's, or mnist)`;
  const eps = "Linf radius that the model should withstand, 0 to 1 (default: the checkpoint's, or 0.3)";
  const command = program
    .command('sanity')
    .description('Check whether the robustness of a checkpoint is real, or its gradients only mislead attacks.')
    .argument('<checkpoint>', `a .safetensors, .pt or .pth file, or a run's folder that holds ${RUN_FILES.model}`)
    .addOption(named('--dataset <name>', 'dataset', dataset, DATASETS))
    .addOption(dataOption())
    .addOption(imageSizeOption())
    .addOption(modelOption('network (default: as the checkpoint says)'))
    .addOption(numeric('--width <factor>', 'multiplies its channels (default: as the checkpoint says, or 1)', WIDTH))
    .addOption(numeric('--eps <radius>', eps, { ...EPS, above: true }))
    .option('--substitute <checkpoint>', 'another model, whose attacks must not do better')
    .addOption(numeric('--queries <count>', 'of the Square attack', COUNT, 500))
    .addOption(
      numeric('--samples <count>', `the first test images (default: ${SAMPLES}, or all that there are)`, COUNT),
    )
    .addOption(numeric('--batch-size <count>', 'images at a time', COUNT, 100))
    .addOption(seedOption())
    .option('--json', 'print the checks as JSON')
    .addHelpText('after', EXAMPLES);
  addPlaceOptions(command, 'sanity');
  addCommonOptions(command).action((path: string, options: Options) =>
    run((context) => checkSanity(path, options, context)),
  );
}

/** `bulwark sanity`; returns the exit code. */
export async function checkSanity(path: string, options: Options, context: Context): Promise<number> {
  const place = await chooseFolder(options.out, 'sanity', options.force);
  const checkpoint = await readCheckpoint(path);
  if (checkpoint.run !== undefined && place.path === checkpoint.run) {
    throw new UsageError(`--out ${place.path}: is the run that is checked; name another folder`);
  }
  const images = await imagesOf(checkpoint, options);
  const config = modelConfigOn(checkpoint, { ...options, ...images });
  const other = options.substitute === undefined ? undefined : await readCheckpoint(options.substitute);
  const eps = options.eps ?? epsOf(checkpoint) ?? 0.3;
  const { batchSize, seed, queries } = options;
  const dataset = await loadTestImages(images, config, { samples: options.samples, usual: SAMPLES, context });
  const samples = dataset.size;
  const opened = await openComputingDevice(options.adapter);
  try {
    context.err(`adapter ${opened.choice.kind}: ${opened.choice.driver}`);
    const model = loadModel(checkpoint, config, opened.device).eval();
    // One that does not say what it is of is taken for the model's twin.
    const isTwin = other?.metadata['model'] === undefined;
    const substitute = other && loadModel(other, isTwin ? config : modelConfigOf(other, {}), opened.device).eval();
    const settings = { checkpoint: checkpoint.path, sha256: checkpoint.sha256, substitute: other?.sha256 ?? null };
    const written = { ...settings, dataset: images.dataset, samples, model: config, eps, queries, batchSize, seed };
    return await inRunFolder(place, written, async (run) => {
      const progress = startProgress(context, 'sanity', 'images');
      let report: SanityReport;
      try {
        report = await sanity(model, dataset, {
          ...{ eps, substitute, queries, batchSize, seed, signal: context.signal },
          onProgress: ({ version, done, total, examplesPerSecond: rate, secondsLeft }) => {
            progress.show({ done, total, rate, secondsLeft, note: version });
          },
        });
      } catch (error) {
        if (error === context.signal.reason) throw new InterruptedError('interrupted; nothing was written');
        throw error;
      } finally {
        progress.stop();
      }
      const { evaluation, curve, stepsCurve, overlooked, checks, verdict } = report;
      for (const line of evaluationLines(evaluation)) run.log(line);
      const title = `Sanity of ${checkpoint.path}`;
      const page = await writeReport(run.path, {
        title,
        summary: `A ${describeModel(config)} on ${evaluation.size} examples of ${evaluation.dataset}, at eps ${eps}.`,
        findings: checks.map(({ name, verdict: said, finding, advice }) => ({
          text: `${name}: ${finding}${said === 'pass' ? '' : ` (${advice})`}`,
          met: said === 'pass',
          word: VERDICT_WORDS[said],
        })),
        runs: [
          {
            name: config.name,
            history: [],
            evaluation,
            curves: [curve, stepsCurve],
            overlooked,
            settings: { checkpoint: checkpoint.path, ...modelSettings(config), seed: String(seed) },
            warnings: evaluation.warnings,
          },
        ],
        environment: environmentOf(opened),
      });
      await writeFileAtomic(
        join(run.path, RUN_FILES.results),
        `${JSON.stringify({ title, eps, verdict, checks, curve, stepsCurve }, null, 1)}\n`,
      );
      await writeFileAtomic(join(run.path, RUN_FILES.markdown), sanityMarkdown(title, report));
      print(context, options, report, page);
      return verdict === 'fail' ? EXIT.failure : EXIT.success;
    });
  } finally {
    opened.device.destroy();
  }
}

function print(context: Context, { json }: Options, { checks, verdict }: SanityReport, report: string): void {
  if (json) {
    context.out(JSON.stringify({ verdict, checks, report }, null, 2));
    return;
  }
  context.out(
    formatTable([
      ['', 'check', 'finding'],
      ...checks.map(({ name, verdict: said, finding }) => [VERDICT_WORDS[said], name, finding]),
    ]),
  );
  for (const { name, verdict: said, advice } of checks) {
    if (said !== 'pass') context.out(`${VERDICT_WORDS[said]}: ${name}: ${advice}`);
  }
  context.out(`report: ${report}`);
}
