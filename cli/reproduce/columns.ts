import type { Attack } from '../../adversarial/attacks/attack.js';
import { cwLinfAttack } from '../../adversarial/attacks/cw-linf.js';
import { fgsmAttack } from '../../adversarial/attacks/fgsm.js';
import { pgdAttack } from '../../adversarial/attacks/pgd.js';
import type { ColumnName, PaperTable } from './tables.js';

/** What tables call the columns. */
export const COLUMN_TITLES: Readonly<Record<ColumnName, string>> = {
  natural: 'natural',
  fgsm: 'FGSM',
  pgd20: 'PGD-20',
  pgd40: 'PGD-40',
  pgd50: 'PGD-50',
  cw: 'CW-inf',
  pgdL2: 'PGD-L2',
};

/** Gradients that a column takes of each image; a look at the natural images costs about a third of one. */
export const COLUMN_GRADIENTS: Readonly<Record<ColumnName, number>> = {
  natural: 1 / 3,
  fgsm: 1,
  pgd20: 20,
  pgd40: 40,
  pgd50: 50,
  cw: 30,
  pgdL2: 20,
};

/** The paper's Linf attacks, section 5, by the kind of images. */
const LINF = { mnist: { eps: 0.3, stepSize: 0.005 }, cifar: { eps: 0.031, stepSize: 0.003 } } as const;

/** Its L2 attack, as it is written: 20 steps of 0.003 within 0.5. */
const L2 = { norm: 'l2', eps: 0.5, stepSize: 0.003, steps: 20 } as const;

/**
 * The attack of a column, as the paper describes it: PGD and the attack on Carlini and Wagner's loss from a uniform start within the range of the
 * data. How many steps the latter takes it does not say: 30, with kappa 50, as the evaluations of TRADES and MART that others publish.
 */
export function columnAttack(column: Exclude<ColumnName, 'natural'>, dataset: PaperTable['dataset']): Attack {
  const { eps, stepSize } = LINF[dataset === 'mnist' ? 'mnist' : 'cifar'];
  const pgd = (steps: number): Attack => pgdAttack({ eps, stepSize, steps, start: 'uniform' });
  switch (column) {
    case 'fgsm':
      return fgsmAttack({ eps });
    case 'pgd20':
      return pgd(20);
    case 'pgd40':
      return pgd(40);
    case 'pgd50':
      return pgd(50);
    case 'cw':
      return cwLinfAttack({ eps, stepSize, steps: 30, kappa: 50, start: 'uniform' });
    case 'pgdL2':
      return pgdAttack({ ...L2, start: 'uniform' });
    default:
      return column satisfies never;
  }
}
