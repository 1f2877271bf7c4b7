import { join } from 'node:path';
import type { Command } from 'commander';
import type { AccuracyCurve } from '../../adversarial/accuracy-curve.js';
import type { Attack } from '../../adversarial/attacks/attack.js';
import type { Norm } from '../../adversarial/attacks/ball.js';
import { transferAttack } from '../../adversarial/attacks/transfer.js';
import type { EvaluatedBatch } from '../../adversarial/evaluation-batch.js';
import type { Evaluation } from '../../adversarial/evaluation-tally.js';
import type { Module } from '../../nn/module.js';
import { describeModel } from '../../nn/model-file.js';
import type { AdapterOptions } from '../../node/adapter.js';
import { ATTACK_NAMES, attacksNamed } from '../attack-list.js';
import {
  epsOf,
  imagesOf,
  loadModel,
  loadTestImages,
  modelConfigOf,
  modelConfigOn,
  readCheckpoint,
  type Checkpoint,
} from '../checkpoint.js';
import { DATASETS, type DatasetName, type ModelConfig } from '../config.js';
import type { Context, RunCommand } from '../context.js';
import { CURVE_SETTINGS, curveOption, planCurve, runCurves, type CurveRequest } from '../curves.js';
import { openComputingDevice, type OpenedDevice } from '../device.js';
import { EXIT, InterruptedError, UsageError } from '../errors.js';
import { accuracyTable, runEvaluation } from '../evaluating.js';
import { writeResults } from '../evaluation-files.js';
import { RUN_FILES, chooseFolder, inRunFolder, type OpenRun, type Place } from '../folders.js';
import { accuraciesOf, evaluationLines, readHistory, type HistoryStep } from '../history.js';
import { checkResumable, openJournal } from '../journal.js';
import {
  COUNT,
  type NumberDomain,
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
import type { ReportData } from '../report/data.js';
import { environmentOf, modelSettings, writeReport } from '../reporting.js';
import { formatProportion, formatTable } from '../table.js';

/** Test images that are taken unless told. */
const SAMPLES = 1000;

interface Options {
  readonly dataset?: DatasetName;
  readonly data?: string;
  readonly imageSize?: number;
  readonly model?: string;
  readonly width?: number;
  readonly attacks: string;
  readonly attackOn: 'all' | 'robust';
  readonly norm: Norm;
  readonly eps?: number;
  readonly curve?: readonly CurveRequest[];
  readonly quantize?: number;
  readonly substitute?: string;
  readonly samples?: number;
  readonly batchSize: number;
  readonly seed: number;
  readonly json?: boolean;
  readonly out?: string;
  readonly force?: boolean;
  readonly resume?: boolean;
  readonly adapter?: AdapterOptions['adapter'];
}

const EXAMPLES = `
Examples:
  bulwark evaluate runs/mimae-at
  bulwark evaluate model.safetensors --model cnn4 --width 0.5 --attacks fgsm,pgd-20,pgd-100 --eps 0.3
  bulwark evaluate mnist.pt --model cnn4
  bulwark evaluate runs/mimae-at --attacks apgd-ce,apgd-t --attack-on robust --samples 10000 --json > accuracies.json
  bulwark evaluate runs/mimae-at --curve eps=0,0.1,0.2,0.3,0.5,1 --curve steps=1,5,20,100
  bulwark evaluate runs/mimae-at --attacks autoattack --samples 200 --quantize 8
  bulwark evaluate runs/mimae-at --substitute runs/plain --attacks fgsm,pgd-20,cw
  bulwark evaluate runs/mimae-at --out runs/evaluation --resume

PGD starts at a random point of the ball and takes steps of 2 eps / steps; the curves are of PGD-20. Checkpoints of PyTorch
(.pt, .pth, .safetensors) with the same names work too; where a checkpoint does not say which model it is of, --model does. The
folder gets report.html, report.md and results.json; when interrupted it keeps what was measured, and --resume goes on.`;

/** Adds `bulwark evaluate`. */
export function addEvaluateCommand(program: Command, run: RunCommand): void {
  const dataset = `what to evaluate on: ${DATASETS.join(', ')} (its test images; default: the run's, or mnist)`;
  const width = 'multiplies its channels (default: as the checkpoint says, or 1)';
  const eps = "radius of the attacks, in units of the data, 0 to 1 (default: the checkpoint's, or 0.3)";
  const attackOn = "'all' images, or those that are still 'robust' after the attacks before";
  const curve = `accuracy under PGD-20 against ${CURVE_SETTINGS.join(', ')}, such as eps=0,0.1,0.3; can be given several times`;
  const command = program
    .command('evaluate')
    .description('Measure the accuracy of a checkpoint on natural images and under attacks, with 95 % intervals.')
    .argument('<checkpoint>', `a .safetensors, .pt or .pth file, or a run's folder that holds ${RUN_FILES.model}`)
    .addOption(named('--dataset <name>', 'dataset', dataset, DATASETS))
    .addOption(dataOption())
    .addOption(imageSizeOption())
    .addOption(modelOption('network (default: as the checkpoint says)'))
    .addOption(numeric('--width <factor>', width, WIDTH))
    .option('--attacks <list>', `what to attack with, of ${ATTACK_NAMES.join(', ')}`, 'natural,fgsm,pgd-20')
    .addOption(named('--attack-on <which>', 'choice', attackOn, ['all', 'robust'], 'all'))
    .addOption(named('--norm <name>', 'norm', 'norm of the ball that eps is the radius of', NORMS, 'linf'))
    .addOption(numeric('--eps <radius>', eps, NORM_EPS))
    .option('--curve <setting=values>', curve, curveOption)
    .addOption(numeric('--quantize <bits>', 'round adversarial images to files of this depth, such as 8', BITS))
    .option('--substitute <checkpoint>', 'black box: make the attacks on this model instead')
    .addOption(
      numeric('--samples <count>', `the first test images (default: ${SAMPLES}, or all that there are)`, COUNT),
    )
    .addOption(numeric('--batch-size <count>', 'images at a time', COUNT, 100))
    .addOption(seedOption())
    .option('--resume', 'go on with the interrupted evaluation that the folder of --out holds')
    .option('--json', 'print the results as JSON')
    .addHelpText('after', EXAMPLES);
  addPlaceOptions(command, 'evaluation');
  addCommonOptions(command).action((path: string, options: Options) =>
    run((context) => evaluate(path, options, context)),
  );
}

/** `bulwark evaluate`; returns the exit code. */
export async function evaluate(path: string, options: Options, context: Context): Promise<number> {
  const place = await placeOf(options);
  const checkpoint = await readCheckpoint(path);
  if (checkpoint.run !== undefined && place.path === checkpoint.run) {
    throw new UsageError(`--out ${place.path}: is the run that is evaluated; name another folder`);
  }
  const images = await imagesOf(checkpoint, options);
  const model = modelConfigOn(checkpoint, { ...options, ...images });
  const substitute = options.substitute === undefined ? undefined : await readCheckpoint(options.substitute);
  const eps = options.eps ?? epsOf(checkpoint) ?? 0.3;
  const { norm, attackOn, curve = [] } = options;
  if (norm === 'linf' && eps > 1)
    throw new UsageError(`--eps: ${eps} is more than the range of the data, 1, by the norm linf`);
  const attacks = attacksNamed(options.attacks, { eps, norm, quantize: options.quantize });
  const curves = curve.map((request) => planCurve(request, { eps, norm }));
  const history = checkpoint.run === undefined ? [] : await readHistory(join(checkpoint.run, RUN_FILES.metrics));
  const dataset = await loadTestImages(images, model, { samples: options.samples, usual: SAMPLES, context });
  const opened = await openComputingDevice(options.adapter);
  try {
    context.err(`adapter ${opened.choice.kind}: ${opened.choice.driver}`);
    const network = loadModel(checkpoint, model, opened.device);
    const { batchSize, seed } = options;
    const made = substitute
      ? madeOn(loadModel(substitute, modelConfigOf(substitute, {}), opened.device), substitute, attacks)
      : attacks;
    const config = {
      checkpoint: checkpoint.path,
      sha256: checkpoint.sha256,
      dataset: images.dataset,
      samples: dataset.size,
      model,
      norm,
      eps,
      attacks: options.attacks,
      attackOn,
      quantize: options.quantize ?? null,
      substitute: substitute?.sha256 ?? null,
      batchSize,
      seed,
    };
    if (place.resume) await checkResumable(place.path, config);
    return await inRunFolder(place, config, async (run) => {
      using journal = await openJournal(run.path, place.resume ?? false);
      const write = (batch: EvaluatedBatch): void => {
        journal.write(batch);
        run.keep();
      };
      const call = { context, model: network, dataset, batchSize, seed, journal: { ...journal, write } };
      const evaluation = await runEvaluation({ ...call, attacks: made, attackOn, label: 'evaluate' });
      const points = evaluation && (await runCurves(curves, call));
      if (!points) throw new InterruptedError(interruptionNote(run, journal.batches > 0));
      for (const line of evaluationLines(evaluation)) run.log(line);
      const title = `Evaluation of ${checkpoint.path}`;
      await writeResults(run.path, { title, config, environment: environmentOf(opened), evaluation, curves: points });
      const report = await writeReport(
        run.path,
        reportOf({ checkpoint, model, history, evaluation, curves: points, opened, seed }),
      );
      await journal.finish();
      printResults(context, options, { evaluation, curves: points, eps, report });
      return EXIT.success;
    });
  } finally {
    opened.device.destroy();
  }
}

const BITS: NumberDomain = { least: 1, most: 16, integer: true };

/** L2 and L1 balls may be wider than the range of the data. */
const NORM_EPS: NumberDomain = { least: 0, hint: 'in units of the data: 8/255, not 8' };

const NORMS: readonly Norm[] = ['linf', 'l2', 'l1'];

async function placeOf({ out, force, resume }: Options): Promise<Place> {
  if (!resume) return chooseFolder(out, 'evaluation', force);
  if (out === undefined) throw new UsageError('--resume: say by --out which folder holds the interrupted evaluation');
  if (force) throw new UsageError('--resume and --force: give one of them');
  return { path: out, force: false, resume: true };
}

/** The attacks, made on a substitute. */
function madeOn(
  network: Module,
  { path }: Checkpoint,
  attacks: Readonly<Record<string, Attack>>,
): Record<string, Attack> {
  return Object.fromEntries(
    Object.entries(attacks).map(([name, attack]) => [name, transferAttack(network, attack, path)]),
  );
}

function interruptionNote({ path }: OpenRun, kept: boolean): string {
  return kept
    ? `interrupted; what was measured is in ${path}: go on with --out ${path} --resume`
    : 'interrupted; nothing was written';
}

interface Evaluated {
  readonly checkpoint: Checkpoint;
  readonly model: ModelConfig;
  readonly history: readonly HistoryStep[];
  readonly evaluation: Evaluation;
  readonly curves: readonly AccuracyCurve[];
  readonly opened: OpenedDevice;
  readonly seed: number;
}

function reportOf({ checkpoint, model, history, evaluation, curves, opened, seed }: Evaluated): ReportData {
  const { path, metadata } = checkpoint;
  const name = metadata['objective'] ?? model.name;
  return {
    title: `Evaluation of ${path}`,
    summary: `A ${describeModel(model)} on ${evaluation.size} examples of ${evaluation.dataset}.`,
    runs: [
      {
        name,
        history,
        evaluation,
        curves,
        settings: { checkpoint: path, ...modelSettings(model), seed: String(seed) },
        warnings: evaluation.warnings,
      },
    ],
    environment: environmentOf(opened),
  };
}

function printResults(
  context: Context,
  { json }: Options,
  { evaluation, curves, eps, report }: Pick<Evaluated, 'evaluation' | 'curves'> & { eps: number; report: string },
): void {
  if (!json) {
    context.out(accuracyTable({ [`eps ${eps}`]: evaluation }));
    for (const { setting, points } of curves) {
      context.out(
        formatTable([
          [setting, 'pgd-20'],
          ...points.map(({ value, accuracy }) => [String(value), formatProportion(accuracy)]),
        ]),
      );
    }
    context.out(`report: ${report}`);
    return;
  }
  const { dataset, size, seconds, warnings, attacks } = evaluation;
  const results = Object.entries(accuraciesOf(evaluation)).map(([version, accuracy]) => ({
    version,
    ...accuracy,
    ...(attacks[version] && {
      settings: attacks[version].settings,
      mutualInformation: attacks[version].joint.mutualInformation,
    }),
  }));
  context.out(JSON.stringify({ dataset, size, eps, results, curves, warnings, seconds, report }, null, 2));
}
