import { readdir, stat } from 'node:fs/promises';
import type { Dirent } from 'node:fs';
import { join } from 'node:path';
import { Dataset } from '../data/dataset.js';
import { resizeImage, type ImageBytes } from '../data/resize.js';
import { ArgumentError } from '../engine/errors.js';
import { decodeImage } from './decode-image.js';
import { fileError } from './file-error.js';
import { readBytes } from './files.js';

/** How {@link loadImageFolder} reads a folder. */
export interface ImageFolderOptions {
  /** Names the dataset; the folder unless told. */
  readonly name?: string | undefined;
  /** Resizes all images, to a square or to [height, width]; without it they have to be of one size. */
  readonly size?: number | readonly [height: number, width: number] | undefined;
  /** 1 for grey, 3 for red, green and blue; unless told 1 where every image is grey, 3 otherwise. */
  readonly channels?: 1 | 3 | undefined;
  /**
   * The names of the classes in the order of their numbers, such as those of the training half, so that a half that lacks a class
   * numbers the others the same; the names of the folders, sorted, unless told.
   */
  readonly classNames?: readonly string[] | undefined;
  /** Called after each image with the number of images that were decoded and that of all of them; what it throws ends the reading. */
  readonly onProgress?: ((done: number, total: number) => void) | undefined;
}

const IMAGE = /\.(png|jpe?g)$/i;

/**
 * Reads images that lie in a folder for each class, `root/class/image.png` (or `.jpg`, `.jpeg`; other files are passed over): bytes
 * [n, channels, height, width]. Classes and the images within them are in the order of their names' UTF-16 units.
 *
 * @throws ArgumentError for a folder without classes, a class without images or that `classNames` lacks, images of different sizes without
 * `size`, and coloured images where `channels` is 1; FormatError naming a file that is damaged or no image
 */
export async function loadImageFolder(root: string, options: ImageFolderOptions = {}): Promise<Dataset> {
  const { name = root, size, channels, onProgress } = options;
  const folders = await classFolders(root);
  const { classNames = folders } = options;
  const strange = folders.find((folder) => !classNames.includes(folder));
  if (strange !== undefined) {
    throw new ArgumentError(`${join(root, strange)}: is none of the classes, which are ${classNames.join(', ')}`);
  }
  const files: { readonly path: string; readonly label: number }[] = [];
  for (const folder of folders) {
    const label = classNames.indexOf(folder);
    for (const path of await imagesIn(join(root, folder))) files.push({ path, label });
  }
  const images: NamedImage[] = [];
  for (const { path } of files) {
    images.push(fitted(path, decodeImage({ name: path, bytes: await readBytes(path) }), size, images[0]));
    onProgress?.(images.length, files.length);
  }
  const [first] = images;
  if (!first)
    throw new ArgumentError(`${root}: holds no images; expected ${join(root, 'class', 'image.png')} and so on`);
  const kept = channels ?? (images.every(isGrey) ? 1 : 3);
  return new Dataset({
    name,
    images: joined(images, kept),
    labels: files.map(({ label }) => label),
    shape: [images.length, kept, first.height, first.width],
    classes: classNames.length,
    classNames,
  });
}

/**
 * The names of the classes in a folder of images: of its folders and of the links to folders, but for hidden ones, sorted.
 * @throws ArgumentError where it cannot be read or has none
 */
export async function classFolders(root: string): Promise<string[]> {
  const entries = await readdir(root, { withFileTypes: true }).catch((cause: unknown) => {
    throw fileError('read the folder of images', root, cause);
  });
  const names: string[] = [];
  for (const entry of entries) {
    if (!entry.name.startsWith('.') && (await isFolder(root, entry))) names.push(entry.name);
  }
  names.sort();
  if (names.length > 0) return names;
  throw new ArgumentError(`${root}: holds no folders; expected one for each class, such as ${join(root, 'cat')}`);
}

async function isFolder(root: string, entry: Dirent): Promise<boolean> {
  if (!entry.isSymbolicLink()) return entry.isDirectory();
  // A link to nowhere is none.
  return stat(join(root, entry.name)).then(
    (target) => target.isDirectory(),
    () => false,
  );
}

interface NamedImage extends ImageBytes {
  readonly path: string;
}

async function imagesIn(folder: string): Promise<string[]> {
  const names = await readdir(folder).catch((cause: unknown) => {
    throw fileError('read the folder of images', folder, cause);
  });
  const images = names.filter((file) => IMAGE.test(file) && !file.startsWith('.')).sort();
  if (images.length === 0) throw new ArgumentError(`${folder}: holds no .png, .jpg or .jpeg image`);
  return images.map((file) => join(folder, file));
}

function fitted(path: string, image: ImageBytes, size: ImageFolderOptions['size'], first?: NamedImage): NamedImage {
  if (size !== undefined) {
    const [height, width] = typeof size === 'number' ? [size, size] : size;
    return { path, ...resizeImage(image, width, height) };
  }
  const { width, height } = image;
  if (first && (width !== first.width || height !== first.height)) {
    throw new ArgumentError(
      `${path}: is ${width} x ${height}, but ${first.path} is ${first.width} x ${first.height}; give a size to bring them all to (--image-size)`,
    );
  }
  return { path, ...image };
}

function isGrey({ width, height, data }: ImageBytes): boolean {
  const pixels = width * height;
  for (let at = 0; at < pixels; at++) {
    if (data[at] !== data[pixels + at] || data[at] !== data[2 * pixels + at]) return false;
  }
  return true;
}

/** All images' bytes; of grey ones, where one channel is asked for, the first plane. */
function joined(images: readonly NamedImage[], channels: 1 | 3): Uint8Array<ArrayBuffer> {
  const length = ((images[0]?.data.length ?? 0) / 3) * channels;
  const all = new Uint8Array(images.length * length);
  images.forEach((image, index) => {
    if (channels === 1 && !isGrey(image)) {
      throw new ArgumentError(`${image.path}: is coloured; ask for 3 channels`);
    }
    all.set(image.data.subarray(0, length), index * length);
  });
  return all;
}
