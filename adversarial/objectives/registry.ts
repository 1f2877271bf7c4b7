import { ArgumentError } from '../../engine/errors.js';
import { unknownName, withDefaults, type OptionValues } from '../../engine/named-options.js';
import { ALP_DEFAULTS, alp } from './alp.js';
import { FAST_AT_DEFAULTS, fastAT } from './fast-at.js';
import { MART_DEFAULTS, mart } from './mart.js';
import { MIMAE_AT_DEFAULTS, mimaeAT } from './mimae-at.js';
import { MMA_DEFAULTS, mma } from './mma.js';
import { mmaFixed } from './mma-fixed.js';
import type { Objective } from './objective.js';
import { PLAIN_DEFAULTS, plain } from './plain.js';
import { STANDARD_AT_DEFAULTS, standardAT } from './standard-at.js';
import { TRADES_DEFAULTS, trades } from './trades.js';

/** An objective that can be asked for by its name. */
export interface ObjectiveEntry {
  readonly name: string;
  /** One sentence for a list of choices. */
  readonly summary: string;
  /** Every option with its default. */
  readonly defaults: OptionValues;
  /** The objective with these options in place of the defaults; throws an `ArgumentError` for what it does not know. */
  readonly create: (options: OptionValues) => Objective;
}

/** Binds a factory to its defaults, whose names and types are checked before the factory sees the options. */
function entry<O extends OptionValues>(
  name: string,
  summary: string,
  defaults: O,
  create: (options: O) => Objective,
): ObjectiveEntry {
  return { name, summary, defaults, create: (options) => create(withDefaults(name, defaults, options)) };
}

/** Every objective that has a name. */
export const OBJECTIVES: readonly ObjectiveEntry[] = [
  entry('plain', 'Cross-entropy of the natural images; no adversary.', PLAIN_DEFAULTS, plain),
  entry('standard-at', 'Cross-entropy of adversarial images (Madry et al. 2018).', STANDARD_AT_DEFAULTS, standardAT),
  entry(
    'fast-at',
    'Cross-entropy after one long step from a uniform start (Wong et al. 2020).',
    FAST_AT_DEFAULTS,
    fastAT,
  ),
  entry('alp', 'Adversarial cross-entropy and L2 logit pairing (Kannan et al. 2018).', ALP_DEFAULTS, alp),
  entry(
    'trades',
    'Natural cross-entropy and KL divergence, its own attack (Zhang et al. 2019).',
    TRADES_DEFAULTS,
    trades,
  ),
  entry('mma-fixed', 'Adversarial where the natural image is recognised (Ding et al. 2020).', {}, () => mmaFixed()),
  entry('mma', 'The margin of each sample, searched for and raised (Ding et al. 2020).', MMA_DEFAULTS, mma),
  entry('mart', 'Boosted cross-entropy and weighted KL divergence (Wang et al. 2020).', MART_DEFAULTS, mart),
  entry(
    'mimae-at',
    'Boosted cross-entropy, mutual information and L1 pairing (Atsague, Fakorede and Tian 2021).',
    MIMAE_AT_DEFAULTS,
    mimaeAT,
  ),
];

/**
 * The objective of a name, such as 'mimae-at', with options by name.
 *
 * Throws an `ArgumentError` that lists what there is for an unknown name or option, and for values that the objective refuses.
 */
export function objectiveNamed(name: string, options: OptionValues = {}): Objective {
  const found = OBJECTIVES.find((candidate) => candidate.name === name);
  if (!found)
    throw new ArgumentError(
      unknownName(
        'objective',
        name,
        OBJECTIVES.map((candidate) => candidate.name),
      ),
    );
  return found.create(options);
}
