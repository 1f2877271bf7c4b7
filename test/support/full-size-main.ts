/** What `npm run full-size` runs: `<folder of the golden values> <network> ...`. */
import process from 'node:process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Device } from '../../engine/index.js';
import '../../engine/ops/methods.js';
import { requestGpuAdapter } from '../../node/adapter.js';
import { FULL_SIZE_TERMS, FullSizeRun } from './full-size.js';
import { goldenBound, goldenTolerance, loadGolden, type GoldenCase } from './golden.js';

/** The batch that is planned only: the published one. */
const PLANNED_BATCH = 128;

const print = (line: string): boolean => process.stdout.write(`${line}\n`);
const count = (value: number): string => value.toLocaleString('en');

/** Takes a case's steps and prints what came of them; gives the number of values that are not right. */
async function compared(golden: GoldenCase, device: Device): Promise<number> {
  device.resetPeakMemory();
  const run = new FullSizeRun(golden, device);
  const [batch, size] = [golden.number('batch'), golden.number('size')];
  print(`${golden.id}: ${count(run.parameterCount)} parameters, batch ${batch} of 3 x ${size} x ${size}`);
  let wrong = 0;
  for (let step = 1; step <= golden.number('steps'); step++) {
    const begin = performance.now();
    const losses = await run.step();
    const seconds = (performance.now() - begin) / 1000;
    print(`step ${step}: ${seconds.toFixed(1)} s${step === 1 ? ', with capture and compilation' : ''}`);
    for (const term of FULL_SIZE_TERMS) {
      const reference = golden.output(`step${step}.${term}`);
      const expected = reference.data[0] ?? NaN;
      const error = Math.abs(losses[term] - expected);
      const passes = error <= goldenBound(reference, goldenTolerance.mimaeStep);
      if (!passes) wrong++;
      const numbers = [losses[term], expected].map((value) => value.toPrecision(8).padStart(13));
      const relative = (error / Math.abs(expected)).toExponential(1);
      print(`  ${term.padEnd(4)} ${numbers[0]}, float64 ${numbers[1]}: ${relative} of it, ${passes ? 'pass' : 'FAIL'}`);
    }
  }
  const resident = 1024 * process.resourceUsage().maxRSS;
  print(`peak: ${count(device.memory().peak)} bytes of the device; process ${count(resident)} bytes resident`);
  print(
    `batch ${PLANNED_BATCH} planned without executing: peak ${count(run.plannedPeak(PLANNED_BATCH))} bytes of the device`,
  );
  run.dispose();
  return wrong;
}

const [folder = '', ...names] = process.argv.slice(2);
const group = loadGolden('full_size', (path) => new Uint8Array(readFileSync(join(folder, path))));
const { adapter, choice } = await requestGpuAdapter();
print(`adapter ${choice.kind}: ${choice.driver}`);
const device = await Device.create(adapter);
let wrong = 0;
for (const name of names) wrong += await compared(group.case(name), device);
print(wrong === 0 ? 'every value is right' : `${wrong} values are wrong`);
device.destroy();
process.exitCode = wrong === 0 ? 0 : 1;
