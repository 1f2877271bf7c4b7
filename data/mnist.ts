import { FormatError } from '../engine/errors.js';
import { Dataset } from './dataset.js';
import { isGzip, type NamedBytes } from './gzip.js';
import { readIdx, type IdxArray } from './idx.js';
import { bytesOfFile } from './named-bytes.js';

/** One half (training or test) of a dataset in MNIST's format: two IDX files, gzipped or not; read already, or chosen by a user. */
export interface MnistSource {
  readonly images: NamedBytes | File;
  readonly labels: NamedBytes | File;
  /** Names the dataset; 'mnist' unless told. */
  readonly name?: string | undefined;
  /** Names of the ten classes; the digits unless told. */
  readonly classNames?: readonly string[] | undefined;
}

/** The classes of MNIST: the digits. */
export const MNIST_CLASSES: readonly string[] = ['0', '1', '2', '3', '4', '5', '6', '7', '8', '9'];

/** The classes of Fashion-MNIST (Xiao, Rasul and Vollgraf, "Fashion-MNIST", 2017, table 2), in the order of their labels. */
export const FASHION_MNIST_CLASSES: readonly string[] = [
  'T-shirt/top',
  'Trouser',
  'Pullover',
  'Dress',
  'Coat',
  'Sandal',
  'Shirt',
  'Sneaker',
  'Bag',
  'Ankle boot',
];

const CLASSES = 10;
const SIDE = 28;

/**
 * MNIST (LeCun, Cortes and Burges), or another dataset in its format such as Fashion-MNIST: images [n, 1, 28, 28], 10
 * classes.
 * @throws FormatError naming the file and the byte, for files that are not IDX, hold something else or do not belong
 * together
 */
export async function mnist(source: MnistSource): Promise<Dataset> {
  const [imageFile, labelFile] = await Promise.all([bytesOf(source.images), bytesOf(source.labels)]);
  const [images, labels] = await Promise.all([readIdx(imageFile), readIdx(labelFile)]);
  const pixels = checkedBytes(imageFile.name, images, 'images [n, 28, 28]', [SIDE, SIDE]);
  const classes = checkedBytes(labelFile.name, labels, 'labels [n]', []);
  const [count = 0] = images.shape;
  if (classes.length !== count) {
    throw new FormatError(
      `${labelFile.name}: holds ${classes.length} labels, but ${imageFile.name} holds ${count} images; ` +
        'they are not of one set',
    );
  }
  const wrong = classes.findIndex((label) => label >= CLASSES);
  if (wrong >= 0) {
    // Labels begin after the magic number and one axis.
    throw new FormatError(
      `${labelFile.name}: label ${wrong} (byte ${8 + wrong}${fileNote(labelFile)}) is ${classes[wrong]}; ` +
        `labels are 0 .. ${CLASSES - 1}`,
    );
  }
  const { name = 'mnist', classNames = MNIST_CLASSES } = source;
  const shape = [count, 1, SIDE, SIDE];
  return new Dataset({ name, images: pixels, labels: classes, shape, classes: CLASSES, classNames });
}

async function bytesOf(file: NamedBytes | File): Promise<NamedBytes> {
  return file instanceof File ? bytesOfFile(file) : file;
}

function fileNote({ bytes }: NamedBytes): string {
  return isGzip(bytes) ? ' of the unpacked file' : '';
}

function checkedBytes(file: string, array: IdxArray, what: string, inner: readonly number[]): Uint8Array {
  const { type, shape, data } = array;
  const fits = shape.length === inner.length + 1 && inner.every((size, axis) => shape[axis + 1] === size);
  if (!(data instanceof Uint8Array) || !fits) {
    throw new FormatError(
      `${file}: holds ${type} [${shape.join(', ')}] (bytes 2 .. ${3 + 4 * shape.length}); expected u8 ${what}`,
    );
  }
  return data;
}
