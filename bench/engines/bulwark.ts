import { keep, type Device, type Tensor } from '../../engine/index.js';
import type { ContenderName, Work } from '../case.js';
import type { Contender } from '../contender.js';

/** bulwark at a case. */
export function bulwarkContender(name: ContenderName, device: Device, work: Work<Tensor>): Contender {
  let results: readonly Tensor[] = [];
  const forget = (): void => {
    for (const result of new Set(results)) result.dispose();
    results = [];
  };
  const run = (): void => {
    forget();
    results = device.scope(() => work.run().map((result) => keep(result)));
  };
  return {
    name,
    run,
    census: async () => {
      await device.sync();
      device.resetPeakMemory();
      const before = { ...device.counters };
      run();
      await device.sync();
      const since = (of: keyof typeof before): number => device.counters[of] - before[of];
      return {
        ...{ dispatches: since('dispatches'), submits: since('submits'), buffers: since('buffers') },
        ...{ bindGroups: since('bindGroups'), pipelines: since('pipelines'), peakBytes: device.memory().peak },
      };
    },
    finish: () => device.sync(),
    values: () => Promise.all((work.toCommonLayout?.(results) ?? results).map((result) => result.floats())),
    dispose: () => {
      forget();
      work.dispose();
    },
  };
}
