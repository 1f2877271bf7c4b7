import type { Dataset } from '../data/dataset.js';
import { mnist } from '../data/mnist.js';
import { fetchBytes } from './fetch-bytes.js';

/**
 * The part of MNIST that the page ships: the same number of each digit, the first ones of the training or of the test set. `page` is the
 * page's address, for workers. A server may unpack the files on the way: both are read.
 */
export async function shippedMnist(half: 'train' | 'test', page?: string): Promise<Dataset> {
  const [images, labels] = [`mnist/${half}-images.gz`, `mnist/${half}-labels.gz`];
  const [pixels, classes] = await Promise.all([fetchBytes(images, page), fetchBytes(labels, page)]);
  return mnist({
    images: { name: images, bytes: pixels },
    labels: { name: labels, bytes: classes },
    name: `MNIST, ${half === 'train' ? 'training' : 'test'} images of this page`,
  });
}
