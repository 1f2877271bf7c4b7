import { noGrad } from '../../engine/autograd.js';
import { ArgumentError, ShapeError } from '../../engine/errors.js';
import { tensor } from '../../engine/ops/create.js';
import { logicalAnd, logicalNot, logicalOr, where } from '../../engine/ops/elementwise.js';
import { matmul } from '../../engine/ops/matmul.js';
import { formatShape } from '../../engine/shape.js';
import type { Tensor } from '../../engine/tensor.js';
import { misclassified } from '../criteria.js';
import { inEvalMode, logitsOf, type Model } from '../model.js';
import type { RecordedAttack } from './attack.js';
import { checkBatch } from './input-gradient.js';
import { perImage } from './rows.js';

/** Options of {@link gaussianBlur}. */
export interface GaussianBlurOptions {
  /** Standard deviations to try, in pixels, growing; 0.5, 0.75, 1, 1.5, 2, 3, 4, 6 and 8 unless told. */
  readonly sigmas?: readonly number[];
}

const SIGMAS = [0.5, 0.75, 1, 1.5, 2, 3, 4, 6, 8];

/** How far the bell is followed, in standard deviations. */
const TRUNCATE = 4;

/**
 * The images `x` `[m, c, h, w]` blurred as little as the model needs to misclassify them: with the smallest of several sigmas. Images that
 * are misclassified as they are, or with no sigma, stay as they are. No ball bounds it; blurred images stay in the range of the data. Only
 * records work: one pass of the model for each sigma and one more.
 *
 * The blur is that of SciPy's `gaussian_filter` with its defaults, channel by channel: cut at 4 sigma, mirrored at the edges.
 *
 * @throws ArgumentError for sigmas that are not above 0 or do not grow, ShapeError or DTypeError for a batch of no images
 */
export function gaussianBlur(model: Model, x: Tensor, labels: Tensor, options: GaussianBlurOptions = {}): Tensor {
  const sigmas = checkSigmas(options);
  checkBatch('gaussianBlur', x, labels);
  const [, , height = 0, width = 0] = x.shape;
  if (x.rank !== 4) {
    throw new ShapeError(`gaussianBlur: images of shape ${formatShape(x.shape)}; expected [m, c, h, w]`);
  }
  const { device } = x;
  const fooledBy = (images: Tensor): Tensor => misclassified(logitsOf(model, images), labels);
  return device.scope(() =>
    inEvalMode(model, () =>
      noGrad(device, () => {
        let [images, settled] = [x, fooledBy(x)];
        for (const sigma of sigmas) {
          const rows = tensor(blurMatrix(height, sigma), { device, shape: [height, height] });
          const columns = tensor(blurMatrix(width, sigma), { device, shape: [width, width] });
          const blurred = matmul(matmul(rows, x), columns.transpose());
          const fooled = fooledBy(blurred);
          images = where(perImage(logicalAnd(fooled, logicalNot(settled)), x.shape), blurred, images);
          settled = logicalOr(settled, fooled);
        }
        return images;
      }),
    ),
  );
}

/** {@link gaussianBlur} with settings, which are checked at once; throws as it does. */
export function gaussianBlurAttack(options: GaussianBlurOptions = {}): RecordedAttack {
  return {
    settings: { attack: 'gaussian-blur', sigmas: checkSigmas(options).join(', ') },
    warnings: [],
    run: (model, x, labels) => gaussianBlur(model, x, labels, options),
  };
}

/** What blurs a line of `size` pixels, as a matrix, row-major: each row a bell, mirrored at the ends, of sum 1. */
function blurMatrix(size: number, sigma: number): Float32Array<ArrayBuffer> {
  const reach = Math.floor(TRUNCATE * sigma + 0.5);
  const bell = Array.from({ length: 2 * reach + 1 }, (_, k) => Math.exp(-((k - reach) ** 2) / (2 * sigma ** 2)));
  const total = bell.reduce((sum, weight) => sum + weight, 0);
  const matrix = new Float32Array(size * size);
  for (let row = 0; row < size; row++) {
    for (const [k, weight] of bell.entries()) {
      const at = row * size + mirrored(row + k - reach, size);
      matrix[at] = (matrix[at] ?? 0) + weight / total;
    }
  }
  return matrix;
}

/** The place in a line of `size` that a place beyond its ends mirrors; the last pixel comes twice. */
function mirrored(place: number, size: number): number {
  const within = ((place % (2 * size)) + 2 * size) % (2 * size);
  return within < size ? within : 2 * size - 1 - within;
}

function checkSigmas({ sigmas = SIGMAS }: GaussianBlurOptions): readonly number[] {
  const good = sigmas.every((sigma, i) => sigma > (sigmas[i - 1] ?? 0) && sigma < Infinity);
  if (good && sigmas.length > 0) return sigmas;
  throw new ArgumentError(`gaussianBlur: sigmas are ${sigmas.join(', ')}; expected some above 0, growing`);
}
