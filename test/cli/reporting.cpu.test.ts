import { describe, expect, it } from 'vitest';
import { presetNamed } from '../../adversarial/preset-named.js';
import { settingsOf } from '../../cli/reporting.js';
import { resolveConfig } from '../../cli/resolve-config.js';

describe('the settings of a run, in words', () => {
  it('name what there is, and nothing that there is not', () => {
    const plain = settingsOf(resolveConfig(presetNamed('recommended')));
    expect(plain['objective']).toMatch(/^mimae-at, lambda 0\.4, beta 0\.1, /);
    for (const name of [
      'augmentation',
      'average of parameters',
      'perturbed weights',
      'validation',
      'gradients clipped to norm',
    ]) {
      expect(plain).not.toHaveProperty([name]);
    }
  });

  it('say what a run does to its images, parameters and weights, and how it is validated', () => {
    const of = (patch: Parameters<typeof resolveConfig>[1]): Record<string, string> =>
      settingsOf(resolveConfig(presetNamed('recommended'), patch));
    const some = of({
      augmentation: { padCropFlip: { padding: 2 }, colorJitter: { contrast: 0.3 }, cutout: { size: 8 } },
      training: { average: { kind: 'ema', decay: 0.99 }, perturbation: { gamma: 0.005, after: 10 }, maxNorm: 1 },
      validation: { samples: 500, every: 2, patience: 5 },
    });
    expect(some).toMatchObject({
      augmentation: 'crops of images padded by 2, mirrored or not; contrast by 0.3; squares of 8 cut out',
      'average of parameters': 'exponential, decay 0.99',
      'perturbed weights': 'gamma 0.005, after 10 epochs',
      validation: '500 of the training images, PGD-10, every 2 epochs; an end after 5 without a better one',
      'gradients clipped to norm': '1',
    });
    const others = of({
      augmentation: { padCropFlip: { flip: false } },
      training: { average: { kind: 'swa', start: 0.5 }, perturbation: {} },
      validation: {},
    });
    expect(others).toMatchObject({
      augmentation: 'crops of images padded by 4',
      'average of parameters': 'the mean over epochs, from 50 % of the run on',
      'perturbed weights': 'gamma 0.01',
      validation: '1000 of the training images, PGD-10, each epoch',
    });
  });
});
