/**
 * A MIMAE-AT training step of the 4-layer CNN captured against the same one eager: time as the ratio of interleaved medians, what
 * JavaScript takes of it, and what a step makes. Prints a Markdown table.
 *
 *     npm run bench -- captured-step
 *
 * `BULWARK_ADAPTER` chooses the adapter. `ROUNDS` (7) is the number of interleaved rounds, `WIDTH` (0.25) the network's, `BATCH` (32)
 * the batch's size, `ATTACK_STEPS` (10) the attack's.
 */
import { adversarialStep, mimaeAT, pgd, type Model } from '../adversarial/index.js';
import { Device, Generator, compile, keep, tensor, type Tensor } from '../engine/index.js';
import { SGD, cnn4 } from '../nn/index.js';
import { requestGpuAdapter } from '../node/index.js';

const setting = (name: string, usual: number): number => Number(process.env[name] ?? usual);
const [ROUNDS, WIDTH, BATCH] = [setting('ROUNDS', 7), setting('WIDTH', 0.25), setting('BATCH', 32)];
const ATTACK_STEPS = setting('ATTACK_STEPS', 10);

const { adapter, choice } = await requestGpuAdapter();
const device = await Device.create(adapter);

const model = cnn4({ device, generator: new Generator(1), width: WIDTH, init: 'kaimingNormal' });
const parameters = model.parameters();
const optimizer = new SGD(parameters, { lr: 0.01, momentum: 0.9 });
const objective = mimaeAT({ lambda: 0.4, beta: 0.1 });
const attack = (of: Model, images: Tensor, y: Tensor): Tensor =>
  pgd(of, images, y, { eps: 0.2, stepSize: 0.05, steps: ATTACK_STEPS });
const step = (images: Tensor, y: Tensor): Tensor => {
  const values = adversarialStep({ model, parameters, objective, attack, x: images, labels: y });
  optimizer.step(values.gradients);
  return values.total;
};

const x = keep(tensor(new Generator(2).uniform(BATCH * 784), { device, shape: [BATCH, 1, 28, 28] }));
const labels = keep(tensor(Int32Array.from(new Generator(3).integers(BATCH, 10)), { device }));
const ways = { eager: step, captured: compile(step) };

interface Measured {
  /** Milliseconds of a step, of which JavaScript took `host` to record it. */
  readonly total: number;
  readonly host: number;
}

async function measure(way: keyof typeof ways): Promise<Measured> {
  await device.sync();
  const start = performance.now();
  device.scope(() => void ways[way](x, labels));
  const host = performance.now() - start;
  await device.sync();
  return { total: performance.now() - start, host };
}

function median(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[values.length >> 1] ?? NaN;
}

/** What one step makes, once everything is warm. */
async function made(way: keyof typeof ways): Promise<string> {
  const before = { ...device.counters };
  await measure(way);
  const { dispatches, submits, buffers, bindGroups, pipelines } = device.counters;
  const counts = [dispatches - before.dispatches, submits - before.submits, buffers - before.buffers];
  return [...counts, bindGroups - before.bindGroups, pipelines - before.pipelines].join(', ');
}

for (const way of ['eager', 'captured', 'eager', 'captured'] as const) await measure(way);
const counts = { eager: await made('eager'), captured: await made('captured') };
const rounds: Record<keyof typeof ways, Measured>[] = [];
for (let round = 0; round < ROUNDS; round++) {
  rounds.push({ eager: await measure('eager'), captured: await measure('captured') });
}
console.log(`${choice.kind}: ${choice.driver}; width ${WIDTH}, batch ${BATCH}, PGD-${ATTACK_STEPS}\n`);
console.log('| way | ms a step | ms of JavaScript | dispatches, submits, buffers, bind groups, pipelines made |');
console.log('| --- | --- | --- | --- |');
for (const way of ['eager', 'captured'] as const) {
  const total = median(rounds.map((round) => round[way].total)).toFixed(1);
  console.log(`| ${way} | ${total} | ${median(rounds.map((round) => round[way].host)).toFixed(2)} | ${counts[way]} |`);
}
const ratios = rounds.map(({ eager, captured }) => eager.total / captured.total).sort((a, b) => a - b);
console.log(
  `\ncaptured over eager: ${median(ratios).toFixed(2)} (${ratios[0]?.toFixed(2)} to ${ratios.at(-1)?.toFixed(2)})`,
);
device.destroy();
