import type { Model } from '../model.js';
import type { Attack, HostedAttack, RecordedAttack } from './attack.js';

/**
 * A black-box attack by transfer: Papernot, McDaniel and Goodfellow, "Transferability in machine learning", 2016. The `attack` is made on
 * the `substitute`, a model of the same images and classes on the same device, whatever model is evaluated: that one's gradients and
 * logits play no part. `name` is how reports call the substitute.
 */
export function transferAttack(substitute: Model, attack: RecordedAttack, name?: string): RecordedAttack;
/** The same of an attack that is driven from the host. */
export function transferAttack(substitute: Model, attack: HostedAttack, name?: string): HostedAttack;
/** The same of either. */
export function transferAttack(substitute: Model, attack: Attack, name?: string): Attack;
export function transferAttack(substitute: Model, attack: Attack, name = 'another model'): Attack {
  const settings = { ...attack.settings, substitute: name };
  if (attack.hosted) {
    const run: HostedAttack['run'] = (_, x, labels, how) => attack.run(substitute, x, labels, how);
    return { ...attack, settings, run };
  }
  const run: RecordedAttack['run'] = (_, x, labels, random) => attack.run(substitute, x, labels, random);
  return { ...attack, settings, run };
}
