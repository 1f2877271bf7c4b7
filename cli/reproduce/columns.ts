import type { Attack } from '../../adversarial/attacks/attack.js';
import { cwLinfAttack } from '../../adversarial/attacks/cw-linf.js';
import { presetNamed } from '../../adversarial/preset-named.js';
import { ArgumentError } from '../../engine/errors.js';
import type { ColumnName, PaperTable } from './tables.js';

/** What tables call the columns. */
export const COLUMN_TITLES: Readonly<Record<ColumnName, string>> = {
  natural: 'natural',
  fgsm: 'FGSM',
  pgd20: 'PGD-20',
  pgd40: 'PGD-40',
  pgd50: 'PGD-50',
  cw: 'CW-inf',
  cw20: 'CW-inf, 20 steps',
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
  cw20: 20,
  pgdL2: 20,
};

/** What the preset `paper` calls the attacks. */
const ATTACKS: Readonly<Record<Exclude<ColumnName, 'natural'>, string>> = {
  fgsm: 'fgsm',
  pgd20: 'pgd-20',
  pgd40: 'pgd-40',
  pgd50: 'pgd-50',
  cw: 'cw',
  cw20: 'cw',
  pgdL2: 'pgd-l2',
};

/**
 * The attack of a column: the preset's, with the paper's radii and steps whatever stands for its dataset. Throws an `ArgumentError` for one
 * that the paper has no settings of for these images.
 */
export function columnAttack(column: Exclude<ColumnName, 'natural'>, dataset: PaperTable['dataset']): Attack {
  const attack = presetNamed('paper', { dataset }).attacks[ATTACKS[column]];
  if (!attack) throw new ArgumentError(`${COLUMN_TITLES[column]}: the paper has no settings of it for ${dataset}`);
  if (column !== 'cw20') return attack;
  const { eps, stepSize, kappa } = attack.settings;
  return cwLinfAttack({ eps: Number(eps), stepSize: Number(stepSize), kappa: Number(kappa), steps: 20 });
}
