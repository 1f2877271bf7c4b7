/** The work of the room Bench: a worker with a device of its own, beside the libraries that bulwark is compared with. */
import { expose } from 'comlink';
import { loadJax } from '../../../bench/engines/jax.js';
import { loadTfjs } from '../../../bench/engines/tfjs.js';
import type { Measurement } from '../../../bench/measure.js';
import type { Peers } from '../../../bench/suite.js';
import { runCase, suiteFor } from '../../../bench/suite.js';
import { DeviceLostError } from '../../../engine/errors.js';
import { devDependencies, version } from '../../../package.json';
import { sentenceOf } from '../../sentence.js';
import { openDevice } from '../../worker/open-device.js';
import type { CaseChoice } from './choice.js';
import { isWanted } from './choice.js';

/** What is to be measured. */
export interface BenchOptions extends CaseChoice {
  readonly rounds: number;
  /** Whether other libraries are to be measured too. */
  readonly peers: boolean;
}

/** What a run says as it goes. */
export type BenchEvent =
  | {
      readonly kind: 'begun';
      readonly driver: string;
      readonly versions: Readonly<Record<string, string>>;
      readonly cases: readonly string[];
    }
  /** A library that does not work here. */
  | { readonly kind: 'without'; readonly name: string; readonly reason: string }
  | { readonly kind: 'case'; readonly name: string }
  | { readonly kind: 'measured'; readonly measurement: Measurement }
  | { readonly kind: 'failed'; readonly name: string; readonly reason: string };

let stopping = new AbortController();

const worker = {
  /** Measures the chosen cases, one after the other. Ends after the last, or after the one at which `stop` was called. */
  run: async (options: BenchOptions, say: (event: BenchEvent) => Promise<void> | void): Promise<void> => {
    const { signal } = (stopping = new AbortController());
    const device = await openDevice();
    try {
      const { jax, tfjs } = options.peers ? await loadPeers(say) : {};
      const cases = suiteFor(device).filter(({ name }) => isWanted(name, options));
      const { description, vendor, architecture } = device.caps;
      await say({
        kind: 'begun',
        driver: description || `${vendor} ${architecture}`.trim() || 'unknown driver',
        versions: {
          bulwark: version,
          ...(jax && { 'jax-js': devDependencies['@jax-js/jax'] }),
          ...(tfjs && { tfjs: tfjs.version_core }),
        },
        cases: cases.map(({ name }) => name),
      });
      for (const each of cases) {
        if (signal.aborted) break;
        const { name } = each;
        await say({ kind: 'case', name });
        try {
          await say({ kind: 'measured', measurement: await runCase(each, device, { jax, tfjs }, options.rounds) });
        } catch (error) {
          // What comes after it would fail too.
          if (error instanceof DeviceLostError) throw error;
          await say({ kind: 'failed', name, reason: sentenceOf(error) });
        }
      }
    } finally {
      device.destroy();
    }
  },

  /** Ends `run` after the case that it is at. */
  stop: (): void => stopping.abort(),
};

/** What the page may ask of it. */
export type BenchWorker = typeof worker;

/** The other libraries, each a chunk of its own that is loaded here first. */
async function loadPeers(say: (event: BenchEvent) => Promise<void> | void): Promise<Peers> {
  const load = async <T>(name: string, loader: () => Promise<T>): Promise<T | undefined> => {
    try {
      return await loader();
    } catch (error) {
      await say({ kind: 'without', name, reason: sentenceOf(error) });
      return undefined;
    }
  };
  return { jax: await load('jax-js', loadJax), tfjs: await load('tfjs', loadTfjs) };
}

expose(worker);
