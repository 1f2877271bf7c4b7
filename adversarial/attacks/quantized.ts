import { noGrad } from '../../engine/autograd.js';
import type { Tensor } from '../../engine/tensor.js';
import type { Attack, HostedAttack, RecordedAttack } from './attack.js';
import { checkBits, onGrid, type GridBall } from './grid.js';

/**
 * An attack whose images are moved to where an image file of `bits` bits for each element can hold them: to multiples of 1 / (2^bits - 1),
 * 1 / 255 for PNG and 8 bits. So what is counted is what is still adversarial when it was saved. Data in [0, 1] that come from such a file
 * are supposed: natural images that are not on the grid are further from the result than they should be.
 *
 * The ball is that of the settings `norm` and `eps` of the attack, and the images stay in it: each goes to the nearest points within the
 * ball (Linf), or those nearest to itself a little back on its way (L2, L1). An attack without these settings has no bound; its images go
 * to the nearest points.
 *
 * @throws ArgumentError unless `bits` is an integer from 1 to 16
 */
export function quantized(attack: RecordedAttack, bits: number): RecordedAttack;
/** The same of an attack that is driven from the host. */
export function quantized(attack: HostedAttack, bits: number): HostedAttack;
/** The same of either. */
export function quantized(attack: Attack, bits: number): Attack;
export function quantized(attack: Attack, bits: number): Attack {
  checkBits('quantized', bits);
  const ball = ballOf(attack);
  const rounded = (images: Tensor, x: Tensor): Tensor =>
    x.device.scope(() => noGrad(x.device, () => onGrid(images, x, bits, ball)));
  const settings = { ...attack.settings, quantize: bits };
  if (attack.hosted) {
    const run: HostedAttack['run'] = async (model, x, labels, how) => {
      const images = await attack.run(model, x, labels, how);
      try {
        return rounded(images, x);
      } finally {
        if (images !== x) images.dispose();
      }
    };
    return { ...attack, settings, run };
  }
  return {
    ...attack,
    settings,
    run: (model, x, labels, random) => x.device.scope(() => rounded(attack.run(model, x, labels, random), x)),
  };
}

function ballOf({ settings: { norm, eps } }: Attack): GridBall | undefined {
  if (typeof eps !== 'number' || (norm !== 'linf' && norm !== 'l2' && norm !== 'l1')) return undefined;
  return { norm, eps };
}
