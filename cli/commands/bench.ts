import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import type { Command } from 'commander';
import { parseHTML } from 'linkedom';
import type { Measurement } from '../../bench/measure.js';
import { missesOf } from '../../bench/goals.js';
import { markdownOf } from '../../bench/report/markdown.js';
import { pageOf } from '../../bench/report/page.js';
import { formatMs, formatRatio, rateOf, type Results } from '../../bench/results.js';
import { runCase, suiteFor, type Peers } from '../../bench/suite.js';
import { loadJax } from '../../bench/engines/jax.js';
import { loadTfjs } from '../../bench/engines/tfjs.js';
import { requestGpuAdapter, type AdapterOptions } from '../../node/adapter.js';
import { writeFileAtomic } from '../../node/files.js';
import { devDependencies, version } from '../../package.json';
import type { Context, RunCommand } from '../context.js';
import { openComputingDevice } from '../device.js';
import { EXIT } from '../errors.js';
import { COUNT, addCommonOptions, numeric } from '../options.js';
import { formatTable } from '../table.js';

interface Options {
  readonly only?: readonly string[];
  readonly rounds: number;
  readonly check?: boolean;
  readonly peers: boolean;
  readonly out?: string;
  readonly list?: boolean;
  readonly adapter?: AdapterOptions['adapter'];
}

const EXAMPLES = `
Examples:
  bulwark bench --only matmul softmax
  bulwark bench --adapter lavapipe --check --out runs/bench

Ratios are of the other library's time to bulwark's in the same round; more than 1 is faster. The other libraries are compared where
they are installed: npm packages @jax-js/jax and @tensorflow/tfjs-backend-webgpu.`;

/** Adds `bulwark bench`. */
export function addBenchCommand(program: Command, run: RunCommand): void {
  const command = program
    .command('bench')
    .description('Time kernels and training steps against other WebGPU libraries, in turn on the same adapter.')
    .option('--only <text...>', 'only the cases whose names contain one of these, in any case')
    .addOption(numeric('--rounds <count>', 'rounds to take the medians of', COUNT, 7))
    .option('--check', 'exit with 1 where a ratio is below its bar or a case fails')
    .option('--no-peers', 'bulwark alone')
    .option('--out <folder>', 'write bench.json, bench.md and bench.html there')
    .option('--list', 'print the names of the cases')
    .addHelpText('after', EXAMPLES);
  addCommonOptions(command).action((options: Options) => run((context) => bench(options, context)));
}

async function bench(options: Options, context: Context): Promise<number> {
  const { device, choice } = await openComputingDevice(options.adapter);
  const { only = [''] } = options;
  const isWanted = (name: string): boolean => only.some((text) => name.toLowerCase().includes(text.toLowerCase()));
  const cases = suiteFor(device).filter(({ name }) => isWanted(name));
  if (options.list) {
    for (const { name } of cases) context.out(name);
    return EXIT.success;
  }
  const peers = options.peers ? await loadPeers(options, context) : {};
  context.err(`${choice.kind}: ${choice.driver}`);
  const measurements: Measurement[] = [];
  const failures: { name: string; reason: string }[] = [];
  for (const [index, each] of cases.entries()) {
    if (context.signal.aborted) break;
    try {
      const measurement = await runCase(each, device, peers, options.rounds);
      measurements.push(measurement);
      context.err(`${index + 1}/${cases.length} ${lineOf(measurement)}`);
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      failures.push({ name: each.name, reason });
      context.err(`${index + 1}/${cases.length} ${each.name}: ${reason}`);
    }
  }
  const results: Results = {
    ...{ adapter: choice.kind, driver: choice.driver, date: new Date().toISOString().slice(0, 10) },
    versions: versionsOf(peers),
    ...{ failures, measurements },
  };
  device.destroy();
  context.out(formatTable(tableOf(results)));
  if (options.out !== undefined) await writeReports(options.out, results, context);
  const misses = missesOf(choice.kind, measurements);
  for (const { name, contender, ratio, bar } of misses) {
    context.out(`below its bar: ${name}: ${ratio.toFixed(2)} times ${contender}, bar ${bar}`);
  }
  return options.check && misses.length + failures.length > 0 ? EXIT.failure : EXIT.success;
}

/** The libraries that can be loaded here, on the adapter that bulwark has. */
async function loadPeers({ adapter }: Options, context: Context): Promise<Peers> {
  const { globals } = await import('webgpu');
  Object.assign(globalThis, globals);
  const gpu = {
    requestAdapter: async () => (await requestGpuAdapter(adapter === undefined ? {} : { adapter })).adapter,
  };
  Object.defineProperty(globalThis, 'navigator', { value: { gpu, userAgent: 'node' }, configurable: true });
  const load = async <T>(name: string, loader: () => Promise<T>): Promise<T | undefined> => {
    try {
      return await loader();
    } catch (error) {
      const [reason = ''] = (error instanceof Error ? error.message : String(error)).split('\n');
      context.err(`${name} is left out: ${reason}`);
      return undefined;
    }
  };
  return { jax: await load('jax-js', loadJax), tfjs: await load('tfjs', loadTfjs) };
}

function versionsOf({ jax, tfjs }: Peers): Record<string, string> {
  return {
    bulwark: version,
    ...(jax && { 'jax-js': devDependencies['@jax-js/jax'] }),
    ...(tfjs && { tfjs: tfjs.version_core }),
    node: process.versions.node,
  };
}

function lineOf(measurement: Measurement): string {
  const [own, ...others] = measurement.timings;
  const rate = own && rateOf(measurement, own.ms.median);
  const ratios = others.map(({ contender, ratio }) => `, ${formatRatio(ratio)} over ${contender}`).join('');
  return `${measurement.name}: ${own ? formatMs(own.ms.median) : ''} ms${rate === undefined ? '' : ` (${rate})`}${ratios}`;
}

function tableOf({ measurements }: Results): string[][] {
  const others = [...new Set(measurements.flatMap(({ timings }) => timings.slice(1).map((one) => one.contender)))];
  const rows = measurements.map((measurement) => {
    const [own] = measurement.timings;
    return [
      measurement.name,
      own ? formatMs(own.ms.median) : '',
      (own && rateOf(measurement, own.ms.median)) ?? '',
      ...others.map((name) => {
        const timing = measurement.timings.find(({ contender }) => contender === name);
        return timing ? formatRatio(timing.ratio) : '';
      }),
    ];
  });
  return [['case', 'ms', 'rate', ...others.map((name) => `over ${name}`)], ...rows];
}

async function writeReports(folder: string, results: Results, context: Context): Promise<void> {
  mkdirSync(folder, { recursive: true });
  const { document } = parseHTML('<!doctype html><html><body></body></html>');
  const files = {
    'bench.json': `${JSON.stringify(results, null, 2)}\n`,
    'bench.md': markdownOf(results),
    'bench.html': pageOf(results, document),
  };
  for (const [name, text] of Object.entries(files)) {
    await writeFileAtomic(join(folder, name), text);
    context.err(`wrote ${join(folder, name)}`);
  }
}
