import { useEffect, useState } from 'preact/hooks';
import { shippedMnist } from '../shipped-mnist.js';
import { Picture } from '../widgets/Picture.js';

const SIDE = 28;

/** How far each pixel is moved, as attacks on MNIST may. */
const EPS = 0.2;

/** A digit of the page's own, and the same with each pixel moved: what attacks are, where none can be computed. Nothing until it is there. */
export function Glimpse() {
  const [digit, setDigit] = useState<Float32Array>();
  useEffect(
    () =>
      void shippedMnist('test').then(
        (test) => setDigit(test.gather([0]).images),
        // A page that only explains does without.
        () => undefined,
      ),
    [],
  );
  if (!digit) return null;
  // A fixed pattern: which pixels go up and which down is what an attack works out.
  const sign = (at: number): number => ((Math.sin(12.9898 * at) * 43758.5453) % 1 > 0 ? 1 : -1);
  const moved = digit.map((value, at) => Math.min(1, Math.max(0, value + EPS * sign(at))));
  return (
    <figure class="glimpse">
      <div class="row">
        <Picture alt="A handwritten digit" pixels={digit} height={SIDE} width={SIDE} />
        <Picture
          alt="The same digit, each pixel a little lighter or darker"
          pixels={moved}
          height={SIDE}
          width={SIDE}
        />
      </div>
      <figcaption>
        A digit, and the same with each pixel moved by a fifth of the way from black to white: you still read it. An
        attack works out which pixels to move up and which down, so that a classifier does not.
      </figcaption>
    </figure>
  );
}
