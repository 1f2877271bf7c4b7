/**
 * The fused mutual information against the one composed of plain ops: dispatches, time of a forward and a backward pass as
 * the ratio of interleaved medians, and error against float64. Prints a Markdown table.
 *
 *     npm run bench -- mutual-information
 *
 * `BULWARK_ADAPTER` chooses the adapter. `ROUNDS` (7) is the number of interleaved rounds.
 */
import { Device, grad, tensor, type Tensor } from '../engine/index.js';
import '../engine/ops/methods.js';
import { mutualInformation, mutualInformationComposed } from '../engine/ops/mutual-information.js';
import { requestGpuAdapter } from '../node/index.js';
import { mutualInformationReference, type MutualInformationReference } from './mutual-information-reference.js';

const ROUNDS = Number(process.env['ROUNDS'] ?? 7);
/** A round repeats an implementation until this much time has passed, in milliseconds. */
const ROUND_TIME = 30;
const SIZES = [
  { m: 128, classes: 10 },
  { m: 128, classes: 32 },
  { m: 128, classes: 100 },
  { m: 128, classes: 1000 },
];

type Implementation = (natural: Tensor, adversarial: Tensor) => Tensor;
const implementations: Record<'fused' | 'composed', Implementation> = {
  fused: mutualInformation,
  composed: mutualInformationComposed,
};

/** Logits of two views of the same samples, by a small generator. */
function logits(m: number, classes: number): [Float32Array, Float32Array] {
  let state = m + classes;
  const next = (): number => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 31 - 1;
  };
  const natural = Float32Array.from({ length: m * classes }, () => 4 * next());
  return [natural, natural.map((z) => z + next())];
}

interface Counts {
  readonly forward: number;
  readonly backward: number;
}

interface Errors {
  readonly value: number;
  /** L2, relative, over both gradients. */
  readonly gradient: number;
}

async function measureErrors(
  device: Device,
  implementation: Implementation,
  inputs: [Tensor, Tensor],
  reference: MutualInformationReference,
): Promise<Errors> {
  return device.scope(async () => {
    const mi = implementation(...inputs);
    const gradients = grad(mi, inputs);
    const mine = await Promise.all(gradients.map((gradient) => gradient.floats()));
    const right = [reference.dNatural, reference.dAdversarial];
    let [difference, size] = [0, 0];
    right.forEach((values, side) => {
      values.forEach((value, at) => {
        difference += ((mine[side]?.[at] ?? NaN) - value) ** 2;
        size += value ** 2;
      });
    });
    return { value: Math.abs((await mi.item()) - reference.mi), gradient: Math.sqrt(difference / size) };
  });
}

function countDispatches(device: Device, implementation: Implementation, inputs: [Tensor, Tensor]): Counts {
  return device.scope(() => {
    const upstream = tensor(1, { device });
    const start = device.counters.dispatches;
    const mi = implementation(...inputs);
    const middle = device.counters.dispatches;
    grad(mi, inputs, { gradOutput: upstream });
    return { forward: middle - start, backward: device.counters.dispatches - middle };
  });
}

/** Milliseconds of one forward and backward pass. */
async function time(device: Device, implementation: Implementation, inputs: [Tensor, Tensor]): Promise<number> {
  await device.sync();
  const start = performance.now();
  let passes = 0;
  while (performance.now() - start < ROUND_TIME) {
    device.scope(() => {
      grad(implementation(...inputs), inputs);
    });
    passes++;
    await device.sync();
  }
  return (performance.now() - start) / passes;
}

function median(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[values.length >> 1] ?? NaN;
}

const { adapter, choice } = await requestGpuAdapter();
const device = await Device.create(adapter);
console.log(`${choice.kind}: ${choice.driver}\n`);
console.log(
  '| m | C | dispatches fwd + bwd: fused, composed | ms: fused, composed | ratio | error of MI | error of gradients |',
);
console.log('| --- | --- | --- | --- | --- | --- | --- |');
for (const { m, classes } of SIZES) {
  const [natural, adversarial] = logits(m, classes);
  const reference = mutualInformationReference(natural, adversarial, m, classes, true);
  const options = { shape: [m, classes], device };
  const inputs: [Tensor, Tensor] = [tensor(natural, options).requireGrad(), tensor(adversarial, options).requireGrad()];
  const times: Record<'fused' | 'composed', number[]> = { fused: [], composed: [] };
  const { fused, composed } = implementations;
  const errors = {
    fused: await measureErrors(device, fused, inputs, reference),
    composed: await measureErrors(device, composed, inputs, reference),
  };
  const counts = { fused: countDispatches(device, fused, inputs), composed: countDispatches(device, composed, inputs) };
  for (let round = 0; round < ROUNDS; round++) {
    times.fused.push(await time(device, fused, inputs));
    times.composed.push(await time(device, composed, inputs));
  }
  const ratios = times.fused.map((value, round) => (times.composed[round] ?? NaN) / value);
  const cells = [
    m,
    classes,
    `${counts.fused.forward} + ${counts.fused.backward}, ${counts.composed.forward} + ${counts.composed.backward}`,
    `${median(times.fused).toFixed(2)}, ${median(times.composed).toFixed(2)}`,
    median(ratios).toFixed(1),
    `${errors.fused.value.toExponential(1)}, ${errors.composed.value.toExponential(1)}`,
    `${errors.fused.gradient.toExponential(1)}, ${errors.composed.gradient.toExponential(1)}`,
  ];
  console.log(`| ${cells.join(' | ')} |`);
  for (const input of inputs) input.dispose();
}
device.destroy();
