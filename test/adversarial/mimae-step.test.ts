import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { compile, detectAnomaly, type Compiled, type Device, type Tensor } from '../../engine/index.js';
import {
  adversarialStep,
  alp,
  mart,
  mimaeAT,
  mmaFixed,
  pgd,
  standardAT,
  trades,
  type Objective,
  type StepValues,
} from '../../adversarial/index.js';
import { SGD } from '../../nn/index.js';
import { testDevice } from '../support/device.js';
import { expectGolden, expectGoldenMaxAbs, goldenTolerance, loadGolden, type GoldenCase } from '../support/golden.js';
import { TrainNet, goldenInput } from './golden-networks.js';

let device: Device;
beforeAll(async () => {
  device = await testDevice();
});
afterAll(() => {
  device.destroy();
});

const tolerance = goldenTolerance.mimaeStep;

/** Objective, network and optimiser of a golden case, one step of which trains on the batch of a number. */
class GoldenRun {
  readonly net: TrainNet;
  readonly #sgd: SGD;
  readonly #captured: Compiled<[Tensor, Tensor, Tensor], StepValues>;

  constructor(
    readonly golden: GoldenCase,
    readonly objective: Objective,
    readonly mode: 'eager' | 'captured',
  ) {
    this.net = new TrainNet(golden, device);
    this.#sgd = new SGD(this.net.parameters(), {
      lr: golden.number('lr'),
      momentum: golden.number('momentum'),
      weightDecay: golden.number('weight_decay'),
    });
    this.#captured = compile((x: Tensor, labels: Tensor, start: Tensor) => this.#learn(x, labels, start));
  }

  async step(batch: number): Promise<StepValues> {
    const { golden } = this;
    const [x, labels] = [goldenInput(golden, `x_${batch}`, device), goldenInput(golden, `y_${batch}`, device)];
    const start = x.add(goldenInput(golden, `noise_${batch}`, device).mul(golden.number('noise_scale')));
    if (this.mode === 'captured') return this.#captured(x, labels, start);
    // While anomalies are watched for, nothing is captured.
    return detectAnomaly(device, () => this.#learn(x, labels, start));
  }

  #learn(x: Tensor, labels: Tensor, start: Tensor): StepValues {
    const { golden, net } = this;
    const budget = {
      eps: golden.number('eps'),
      stepSize: golden.number('alpha'),
      steps: golden.number('attack_steps'),
    };
    const values = adversarialStep({
      model: net,
      parameters: net.parameters(),
      objective: this.objective,
      attack: (model, images, classes) => pgd(model, images, classes, { ...budget, start }),
      x,
      labels,
    });
    this.#sgd.step(values.gradients);
    return values;
  }

  async check(value: Tensor | undefined, key: string): Promise<void> {
    if (!value) throw new Error(`there is no ${key}`);
    expectGolden(await value.floats(), this.golden.output(key), tolerance, key);
  }

  /** Compares the parameters and running statistics whose golden values begin with a prefix. */
  async checkState(prefix: string): Promise<number> {
    const state = this.net.stateDict();
    const keys = [...this.golden.outputs.keys()].filter((key) => key.startsWith(prefix));
    for (const key of keys) await this.check(state.get(key.slice(prefix.length)), key);
    return keys.length;
  }

  dispose(): void {
    this.#captured.dispose();
    this.#sgd.dispose();
    this.net.dispose();
  }
}

describe('a MIMAE-AT step', () => {
  const modes = (['eager', 'captured'] as const).flatMap((mode) =>
    loadGolden('mimae_step').cases.map((golden) => ({ id: golden.id, golden, mode })),
  );
  it.each(modes)('is the reference step in $id, $mode: attack, losses, gradients and all', async ({ golden, mode }) => {
    await device.scope(async () => {
      const options = { lambda: golden.number('mimae_lambda'), beta: golden.number('mimae_beta') };
      const run = new GoldenRun(golden, mimaeAT({ ...options, symmetrize: golden.boolean('mimae_symmetrize') }), mode);
      for (let step = 1; step <= golden.number('steps'); step++) {
        const { total, terms, gradients, ...values } = await run.step(step - 1);
        await run.check(total, `step${step}.loss`);
        for (const name of ['bce', 'mi', 'l1']) await run.check(terms[name], `step${step}.${name}`);
        if (step === 1) {
          const images = (await values.adversarialImages?.floats()) ?? [];
          expectGoldenMaxAbs(images, golden.output('step1.x_adv'), goldenTolerance.mimaeStepXAdvMaxAbs, 'x_adv');
          await run.check(values.naturalLogits, 'step1.logits_nat');
          await run.check(values.adversarialLogits, 'step1.logits_adv');
          const names = [...run.net.namedParameters().keys()];
          for (const [i, name] of names.entries()) await run.check(gradients[i], `step1.grad.${name}`);
        }
        expect(await run.checkState(`step${step}.after.`)).toBe(13);
      }
      run.dispose();
    });
  });

  /** The baselines on the same batch and adversary. */
  const baselines: [string, (golden: GoldenCase) => Objective][] = [
    ['ce', () => standardAT()],
    ['alp', (c) => alp({ lambda: c.number('alp_lambda') })],
    ['trades', (c) => trades({ lambda: c.number('trades_lambda') })],
    ['mma', () => mmaFixed()],
    ['mart', (c) => mart({ lambda: c.number('mart_lambda') })],
  ];

  it.each(baselines)('with the objective %s in its place follows the reference too', async (key, objective) => {
    for (const { golden, mode } of modes) {
      await device.scope(async () => {
        const run = new GoldenRun(golden, objective(golden), mode);
        await run.check((await run.step(0)).total, `${key}.loss`);
        expect(await run.checkState(`${key}.after.`)).toBe(2);
        run.dispose();
      });
    }
  });
});
