import { apgdAttack, apgdTargetedAttack } from '../adversarial/attacks/apgd.js';
import type { Attack } from '../adversarial/attacks/attack.js';
import { partOf, type Norm } from '../adversarial/attacks/ball.js';
import { autoAttack } from '../adversarial/attacks/auto-attack.js';
import { bimAttack } from '../adversarial/attacks/bim.js';
import { cwL2Attack } from '../adversarial/attacks/cw-l2.js';
import { cwLinfAttack } from '../adversarial/attacks/cw-linf.js';
import { deepfoolAttack } from '../adversarial/attacks/deepfool.js';
import { fabTargetedAttack } from '../adversarial/attacks/fab.js';
import { ffgsmAttack } from '../adversarial/attacks/ffgsm.js';
import { fgsmAttack } from '../adversarial/attacks/fgsm.js';
import { gaussianBlurAttack } from '../adversarial/attacks/gaussian-blur.js';
import { noiseAttack } from '../adversarial/attacks/noise.js';
import { pgdAttack } from '../adversarial/attacks/pgd.js';
import { quantized } from '../adversarial/attacks/quantized.js';
import { rfgsmAttack } from '../adversarial/attacks/rfgsm.js';
import { squareAttack } from '../adversarial/attacks/square.js';
import { UsageError, asUsage } from './errors.js';
import { unknownName } from '../engine/named-options.js';

/** What the attacks of a list have in common. */
export interface AttackListOptions {
  readonly eps: number;
  readonly norm: Norm;
  /** Round images to this many bits, within the attack. */
  readonly quantize?: number | undefined;
}

/** Attacks that are known by their names alone, with the norms of the balls that they know. */
const BY_NAME: Readonly<
  Record<string, { readonly norms: readonly Norm[]; readonly make: (options: AttackListOptions) => Attack }>
> = {
  fgsm: { norms: ['linf'], make: ({ eps }) => fgsmAttack({ eps }) },
  ffgsm: { norms: ['linf'], make: ({ eps }) => ffgsmAttack({ eps }) },
  rfgsm: { norms: ['linf'], make: ({ eps }) => rfgsmAttack({ eps }) },
  bim: { norms: ['linf'], make: ({ eps }) => bimAttack({ eps }) },
  cw: { norms: ['linf'], make: ({ eps }) => cwLinfAttack({ eps }) },
  'apgd-ce': { norms: ['linf', 'l2'], make: ({ eps, norm }) => apgdAttack({ eps, norm: linfOrL2(norm), loss: 'ce' }) },
  'apgd-dlr': {
    norms: ['linf', 'l2'],
    make: ({ eps, norm }) => apgdAttack({ eps, norm: linfOrL2(norm), loss: 'dlr' }),
  },
  'apgd-t': { norms: ['linf', 'l2'], make: ({ eps, norm }) => apgdTargetedAttack({ eps, norm: linfOrL2(norm) }) },
  'fab-t': { norms: ['linf', 'l2'], make: ({ eps, norm }) => fabTargetedAttack({ eps, norm: linfOrL2(norm) }) },
  square: { norms: ['linf', 'l2'], make: ({ eps, norm }) => squareAttack({ eps, norm: linfOrL2(norm) }) },
  autoattack: { norms: ['linf', 'l2'], make: ({ eps, norm }) => autoAttack({ eps, norm: linfOrL2(norm) }) },
  'autoattack-rand': {
    norms: ['linf', 'l2'],
    make: ({ eps, norm }) => autoAttack({ eps, norm: linfOrL2(norm), version: 'rand' }),
  },
  // Without a ball, or without one by these norms: how far images move says something.
  'cw-l2': {
    norms: ['linf', 'l2', 'l1'],
    make: ({ eps, norm }) => cwL2Attack(norm === 'l2' ? { eps } : {}),
  },
  deepfool: { norms: ['linf', 'l2', 'l1'], make: () => deepfoolAttack() },
  noise: { norms: ['linf', 'l2'], make: ({ eps, norm }) => noiseAttack({ eps, norm: linfOrL2(norm), repeats: 10 }) },
  blur: { norms: ['linf', 'l2', 'l1'], make: () => gaussianBlurAttack() },
};

/** What `--attacks` takes, for its help and its errors. */
export const ATTACK_NAMES = ['natural', ...Object.keys(BY_NAME), 'pgd-20', 'pgd-<steps>', 'pgd-<steps>x<restarts>'];

function linfOrL2(norm: Norm): 'linf' | 'l2' {
  return norm === 'l2' ? 'l2' : 'linf';
}

/** The attacks of a list such as `natural,fgsm,pgd-20`, by name; the natural images are evaluated in any case. */
export function attacksNamed(list: string, options: AttackListOptions): Record<string, Attack> {
  const names = list
    .split(',')
    .map((name) => name.trim())
    .filter((name) => name !== '');
  return Object.fromEntries(
    names
      .filter((name) => name !== 'natural')
      .map((name) => {
        const attack = asUsage(() => attackNamed(name, options));
        return [name, options.quantize === undefined ? attack : quantized(attack, options.quantize)];
      }),
  );
}

function attackNamed(name: string, options: AttackListOptions): Attack {
  const known = Object.hasOwn(BY_NAME, name) ? BY_NAME[name] : undefined;
  if (known) {
    if (known.norms.includes(options.norm)) return known.make(options);
    throw new UsageError(`attack ${name}: knows the norms ${known.norms.join(', ')}, not ${options.norm}`);
  }
  const [, steps = '0', restarts = '1'] = /^pgd-(\d{1,5})(?:x(\d{1,3}))?$/.exec(name) ?? [];
  if (Number(steps) < 1 || Number(restarts) < 1) throw new UsageError(unknownName('attack', name, ATTACK_NAMES));
  return pgdOf({ ...options, steps: Number(steps), restarts: Number(restarts) });
}

/** PGD from random starts, whose steps together cross the ball from side to side. */
export function pgdOf(options: AttackListOptions & { readonly steps: number; readonly restarts: number }): Attack {
  const { eps, norm, steps, restarts } = options;
  const stepSize = partOf(eps, Math.min(1, 2 / steps));
  return pgdAttack({ eps, norm, steps, stepSize, start: 'uniform', restarts });
}
