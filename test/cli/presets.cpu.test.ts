import { describe, expect, it } from 'vitest';
import { presets } from '../../adversarial/index.js';
import { run } from './run.js';

describe('bulwark presets', () => {
  it('lists what there are settings for, in a row for all objectives with the same models', async () => {
    const { code, out, err } = await run(['presets']);
    expect([code, err]).toEqual([0, '']);
    const lines = out.split('\n').map((line) => line.split(/ {2,}/));
    expect(lines[0]).toEqual(['preset', 'dataset', 'models', 'objectives']);
    expect(lines.length).toBeLessThan(40);
    expect(lines).toContainEqual(['original', 'cifar10', 'resnet18, wrn-34-10', 'mart, mimae-at']);
    expect(lines).toContainEqual(['original', 'cifar100', 'resnet18', 'mimae-at']);
    expect(lines.filter(([preset]) => preset === 'paper').map((row) => row.slice(1, 3))).toEqual([
      ['mnist', 'cnn4'],
      ['cifar10', 'resnet18, wrn-34-10'],
      ['cifar100', 'resnet18'],
    ]);
    expect(lines).toContainEqual(['paper', 'mnist', 'cnn4', 'standard-at, trades, mart, mimae-at']);
  });

  it('lists those of a dataset, a model, an objective', async () => {
    const { out } = await run([
      'presets',
      '--dataset',
      'cifar10',
      '--objective',
      'mart',
      '--model',
      'wrn-34-10',
      '--json',
    ]);
    const found = JSON.parse(out) as unknown;
    expect(found).toEqual(
      presets().filter(
        ({ dataset, objective, model }) => dataset === 'cifar10' && objective === 'mart' && model === 'wrn-34-10',
      ),
    );
    expect(found).toHaveLength(3);
    const { code, out: nothing } = await run(['presets', '--model', 'resnet50']);
    expect(code).toBe(0);
    expect(nothing).toMatch(/^none is meant for these/);
  });

  it('says every setting of one, and what is doubtful', async () => {
    const { code, out } = await run(['presets', 'paper', '--dataset', 'cifar10', '--model', 'wrn-34-10']);
    expect(code).toBe(0);
    const row = (name: string): string | undefined =>
      out
        .split('\n')
        .map((line) => line.split(/ {2,}/))
        .find(([first]) => first === name)?.[1];
    expect(out).toMatch(/^preset paper: mimae-at on cifar10 with wrn-34-10\n.*Atsague, Fakorede and Tian \(2021\)/);
    const rows = {
      'model.name': 'wrn-34-10',
      'model.options.width': '1',
      'objective.options.lambda': '0.6',
      'objective.options.beta': '1',
      'augmentation.padCropFlip.padding': '4',
      'attack.eps': '0.031',
      'attack.stepSize': '0.007',
      'attack.steps': '10',
      'attack.start': 'normal',
      'training.epochs': '100',
      'training.steps': 'none',
      'training.optimizer': 'sgd',
      'training.schedule.baseLr': '0.1',
      'training.schedule.drops': '75, 90',
      'training.weightDecay': '0.0005',
      'training.average': 'none',
      validation: 'none',
      cw: 'attack cw-linf, norm linf, eps 0.031, stepSize 0.003, steps 30, start uniform, kappa 50',
    };
    expect(Object.fromEntries(Object.keys(rows).map((name) => [name, row(name)]))).toEqual(rows);
    expect(out).toMatch(/\n\nwarning: evaluation: attacks that cannot reach .*: pgd-l2$/);
  });

  it('writes levels of bytes as fractions, and a step that follows eps as such', async () => {
    const { out } = await run(['presets', 'recommended', '--dataset', 'cifar10']);
    expect(out).toMatch(/^attack\.eps +8\/255$/m);
    expect(out).toMatch(/^attack\.stepSize +2\/255$/m);
    expect(out).toMatch(/^validation\.samples +1000$/m);
    expect(out).toMatch(/^validation\.patience +none$/m);
    expect((await run(['presets', 'recommended'])).out).toMatch(/^attack\.stepSize +eps \/ 4$/m);
    expect((await run(['presets', 'original', '--objective', 'mma'])).out).toMatch(/cleanWeight +0\.3333$/m);
  });

  it('has the same as JSON', async () => {
    const { out } = await run(['presets', 'original', '--objective', 'trades', '--json']);
    expect(JSON.parse(out)).toMatchObject({
      name: 'original',
      dataset: 'mnist',
      warnings: [],
      model: { name: 'cnn4', options: { width: 1, init: 'trades', dropout: 0.5 } },
      objective: { name: 'trades', options: { lambda: 1, passes: 'original' } },
      augmentation: null,
      attack: { eps: 0.3, steps: 40, stepSize: 0.01, rampFraction: 0, start: 'normal' },
      training: { epochs: 100, steps: null, optimizer: 'sgd', weightDecay: 0, perturbation: null },
      attacks: { 'pgd-40': { settings: { eps: 0.3, steps: 40, stepSize: 0.01, start: 'uniform' }, warnings: [] } },
    });
  });

  it.each([
    ['presets papr', /unknown preset 'papr' \(did you mean paper\?\)/],
    ['presets --dataset mnits', /unknown dataset 'mnits' \(did you mean mnist\?\)/],
    ['presets --objective tradse', /unknown objective 'tradse' \(did you mean trades\?\)/],
    ['presets --model resnet19', /unknown model 'resnet19' \(did you mean resnet18\?\)/],
    ['presets paper --model resnet19', /unknown model 'resnet19' \(did you mean resnet18\?\)/],
    [
      'presets original --objective plain',
      /plain has no settings of its own; those that have on MNIST are standard-at/,
    ],
  ])('refuses %s', async (line, message) => {
    const { code, out, err } = await run(line.split(' '));
    expect(code).toBe(2);
    expect(err).toMatch(message);
    expect(out).toBe('');
  });

  it('explains itself', async () => {
    const { code, out } = await run(['presets', '--help']);
    expect(code).toBe(0);
    expect(out).toContain('Examples:');
  });
});
