import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync } from 'node:fs';
import { readFile, stat, writeFile } from 'node:fs/promises';
import { setTimeout as wait } from 'node:timers/promises';
import { afterAll, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { PRESETS, decodeTrainingCheckpoint, encodeTrainingCheckpoint } from '../../adversarial/index.js';
import { saveCheckpoint } from '../../cli/checkpoint.js';
import type { TrainConfig } from '../../cli/config.js';
import { resolveConfig } from '../../cli/resolve-config.js';
import { RunDevice } from '../../cli/device.js';
import { runTraining } from '../../cli/training.js';
import { DeviceLostError, type Device } from '../../engine/index.js';
import '../../engine/ops/methods.js';
import { loadMnist } from '../../node/index.js';
import { readMetrics } from '../../node/metrics.js';
import { buildCommand, type BuiltCommand } from './built-command.js';
import { filesUnder, inTemporaryFolder, run, writeTinyMnist } from './run.js';

let built: BuiltCommand;
beforeAll(async () => {
  built = await buildCommand();
});
afterAll(() => built.remove());

inTemporaryFolder();
beforeEach(async () => {
  await writeTinyMnist();
});

const TINY = ['train', '--data', 'data', '--width', '0.1', '--batch-size', '8', '--attack-steps', '1'];

/** How often the run is killed, and how long it is: `npm run test:kill` asks for more. */
const KILLS = Number(process.env['BULWARK_KILLS'] ?? 4);
const STEPS = 40 * KILLS;

const exists = (path: string): Promise<boolean> =>
  stat(path).then(
    () => true,
    () => false,
  );

describe('a training run', () => {
  it(
    `that is killed ${KILLS} times ends with the checkpoint that it would have had`,
    async () => {
      const whole = [...TINY, '--steps', String(STEPS), '--eval-samples', '0', '--checkpoint-every', '4'];
      expect((await run([...whole, '--out', 'whole'])).code).toBe(0);
      let kills = 0;
      for (;;) {
        const args = (await exists('killed/config.json'))
          ? ['train', '--resume', 'killed']
          : [...whole, '--out', 'killed'];
        const child = spawn(process.execPath, [built.path, ...args, '--checkpoint-every', '4'], { stdio: 'pipe' });
        let said = '';
        child.stderr.on('data', (chunk: Buffer) => (said += chunk.toString()));
        const ended = once(child, 'exit') as Promise<[number | null, string | null]>;
        if (kills < KILLS) {
          await Promise.race([once(child.stderr, 'data'), ended]);
          await Promise.race([wait(2000 * Math.random()), ended]);
          if (child.kill('SIGKILL')) kills++;
        }
        const [code, signal] = await ended;
        if (signal === 'SIGKILL') continue;
        expect(code, said).toBe(0);
        break;
      }
      expect(kills).toBeGreaterThan(0);
      expect(await readFile('killed/model.safetensors')).toEqual(await readFile('whole/model.safetensors'));
      const steps = (await readMetrics('killed/metrics.jsonl')).map(({ step }) => step);
      expect(steps).toEqual(Array.from({ length: STEPS }, (_, index) => index + 1));
      expect(await filesUnder('killed')).toEqual(['config.json', 'metrics.jsonl', 'model.safetensors', 'report.html']);
    },
    60_000 + KILLS * 60_000,
  );
});

describe('a lost device', () => {
  const config = (): TrainConfig =>
    resolveConfig(PRESETS.mnist.recommended, {
      ...{ model: { options: { width: 0.1 } }, training: { batchSize: 8, steps: 12 }, attack: { steps: 1 }, seed: 1 },
    });

  /** Trains with checkpoints every 4 steps; the device is lost when a step is logged for the first time. */
  async function trainLosing(
    losses: readonly number[],
  ): Promise<{ bytes: Buffer; logged: number[]; warnings: string[] }> {
    const [left, logged]: [number[], number[]] = [[...losses], []];
    using device = await RunDevice.open(undefined);
    let lost: Device | undefined;
    const log = ({ step }: Readonly<Record<string, unknown>>): void => {
      logged.push(Number(step));
      if (left[0] !== step || lost === device.device) return;
      left.shift();
      lost = device.device;
      lost.gpu.destroy();
    };
    const rewind = async (step: number): Promise<void> => {
      await Promise.resolve();
      logged.splice(0, Infinity, ...logged.filter((one) => one <= step));
    };
    const context = { out: () => undefined, err: () => undefined, signal: new AbortController().signal };
    const outcome = await runTraining({
      ...{ context, config: config(), device, dataset: await loadMnist('train', 'data'), run: { log, rewind } },
      checkpoints: { path: `checkpoint-${losses.join('-')}.safetensors`, every: 4 },
    });
    await saveCheckpoint('model.safetensors', outcome.model, config());
    return { bytes: await readFile('model.safetensors'), logged, warnings: [...outcome.warnings] };
  }

  it('is replaced, and the run goes on from its last checkpoint, bit for bit', async () => {
    const whole = await trainLosing([]);
    const lost = await trainLosing([2, 6, 7]);
    expect(lost.bytes).toEqual(whole.bytes);
    expect(lost.logged).toEqual(Array.from({ length: 12 }, (_, index) => index + 1));
    expect(whole.warnings).toHaveLength(1);
    expect(lost.warnings.slice(1)).toEqual([
      expect.stringMatching(/the device is gone.*; going on after step 0 on a new device \(loss 1 of 3\)/s),
      expect.stringMatching(/going on after step 4 on a new device \(loss 2 of 3\)/),
      expect.stringMatching(/going on after step 4 on a new device \(loss 3 of 3\)/),
    ]);
  });

  it('is replaced also while the trained model is evaluated, whose accuracies go on', async () => {
    const args = [...TINY, '--steps', '6', '--eval-samples', '20'];
    expect((await run([...args, '--out', 'whole'])).code).toBe(0);
    const open = vi.spyOn(RunDevice, 'open');
    let lost: Device | undefined;
    const onErr = async (text: string): Promise<void> => {
      const device = (await open.mock.results[0]?.value) as RunDevice;
      if (!text.startsWith('evaluate') || lost) return;
      lost = device.device;
      lost.gpu.destroy();
    };
    const { code, err } = await run([...args, '--out', 'lost'], { onErr: (text) => void onErr(text) });
    open.mockRestore();
    expect([code, err]).toEqual([
      0,
      expect.stringMatching(/going on with the evaluation on a new device \(loss 1 of 3\)/),
    ]);
    expect(await readFile('lost/model.safetensors')).toEqual(await readFile('whole/model.safetensors'));
    const accuracies = async (folder: string): Promise<unknown[]> =>
      (await readMetrics(`${folder}/metrics.jsonl`)).map(({ step, evaluation, accuracy }) => [
        step ?? evaluation,
        accuracy,
      ]);
    expect(await accuracies('lost')).toEqual(await accuracies('whole'));
    expect(await filesUnder('lost')).toEqual(await filesUnder('whole'));
  });

  it('ends the run the fourth time', async () => {
    await expect(trainLosing([1, 2, 3, 4])).rejects.toThrow(DeviceLostError);
  });
});

describe('what else may go wrong', () => {
  it('leaves a run that --force was to replace, where the settings cannot be', async () => {
    const args = [...TINY, '--steps', '2', '--eval-samples', '0', '--out', 'run'];
    expect((await run(args)).code).toBe(0);
    const before = await readFile('run/model.safetensors');
    for (const [given, message] of [
      [['--ema', '1'], /decay is 1/],
      [['--nesterov', '--optimizer', 'adam'], /no Nesterov momentum/],
      [['--warmup', '0.7', '--decay', '0.7'], /warmup/],
      [['--swa', '1'], /start is 1/],
    ] as const) {
      const { code, err } = await run([...args, '--force', ...given]);
      expect([code, err]).toEqual([2, expect.stringMatching(message)]);
      expect(await filesUnder('run')).toEqual(['config.json', 'metrics.jsonl', 'model.safetensors', 'report.html']);
    }
    expect(await readFile('run/model.safetensors')).toEqual(before);
  });

  it('is told after Ctrl-C too', async () => {
    const interruption = new AbortController();
    const onErr = (text: string): void => {
      if (!text.includes('/400 steps')) return;
      interruption.abort(new Error('stop'));
      // In the place of the checkpoint, so that it cannot be written.
      mkdirSync('run/checkpoint.safetensors/x', { recursive: true });
    };
    const args = [...TINY, '--steps', '400', '--eval-samples', '0', '--out', 'run'];
    const { err } = await run(args, { signal: interruption.signal, onErr });
    expect(err).toMatch(/\nerror: cannot write .*checkpoint\.safetensors: it is a folder, not a file/);
    expect(err).not.toContain('the model was saved');
  });
});

describe('a run that diverges', () => {
  it('says at which step and by which term, and what the last good checkpoint is', async () => {
    const args = [...TINY, '--steps', '40', '--eval-samples', '0', '--checkpoint-every', '4', '--out', 'run'];
    const interruption = new AbortController();
    const onErr = (text: string): void => {
      if (text.includes('/40 steps')) interruption.abort(new Error('stop'));
    };
    expect((await run(args, { signal: interruption.signal, onErr })).code).toBe(130);
    const path = 'run/checkpoint.safetensors';
    const { tensors, ...rest } = decodeTrainingCheckpoint(new Uint8Array(await readFile(path)), path);
    const weight = tensors['model.classifier.fc1.weight'];
    if (weight?.dtype !== 'F32') throw new TypeError('no weight');
    const huge = { ...weight, data: weight.data.map((value) => value * 1e38) };
    const broken = { ...rest, tensors: { ...tensors, 'model.classifier.fc1.weight': huge } };
    await writeFile(path, encodeTrainingCheckpoint(broken));
    const { code, err } = await run(['train', '--resume', 'run']);
    expect(code).toBe(1);
    const said = /training diverged: .* at step (\d+); .*; the last good checkpoint, (.*), is of step (\d+)$/.exec(err);
    expect(said?.slice(2)).toEqual([path, String(rest.step)]);
    expect(Number(said?.[1])).toBeGreaterThan(rest.step);
    expect(await exists(path)).toBe(true);
  });

  it('says that there is none yet', async () => {
    const { err } = await run([...TINY, '--steps', '3', '--lr', '1e30', '--eval-samples', '0', '--out', 'run']);
    expect(err).toMatch(/; there is no checkpoint yet$/);
    // What was right before it is there to be looked at.
    const steps = (await readMetrics('run/metrics.jsonl')).map(({ step }) => step);
    expect(steps.length).toBeGreaterThan(0);
    expect(steps).toEqual(Array.from(steps, (_, index) => index + 1));
  });
});

describe('two processes', () => {
  it('do not write into one folder: the second refuses', async () => {
    const args = [...TINY, '--steps', '400', '--eval-samples', '0', '--out', 'run'];
    const child = spawn(process.execPath, [built.path, ...args], { stdio: 'pipe' });
    let said = '';
    child.stderr.on('data', (chunk: Buffer) => (said += chunk.toString()));
    while (!said.includes('writing to')) await once(child.stderr, 'data');
    for (const second of [
      ['train', '--resume', 'run'],
      [...args, '--force'],
    ]) {
      const { code, err } = await run(second);
      expect(err).toContain(`run is being written by process ${child.pid}; wait for it, or name another folder`);
      expect(code).toBe(1);
    }
    const ended = once(child, 'exit');
    child.kill('SIGKILL');
    await ended;
  });
});
