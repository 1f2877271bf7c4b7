/** PNG and JPEG files as bytes of pixels. */
import jpeg from 'jpeg-js';
import { PNG } from 'pngjs';
import type { NamedBytes } from '../data/gzip.js';
import type { ImageBytes } from '../data/resize.js';
import { FormatError } from '../engine/errors.js';

/** The most pixels that an image may claim to have, in millions: a broken header must not take all memory. */
const MOST_MEGAPIXELS = 64;

/** The most memory that a JPEG of so many pixels takes while it is decoded, in MiB. */
const MOST_MEMORY = 4096;

/**
 * The pixels of a PNG or JPEG image, red, green and blue; what its first bytes say it is, whatever its name. Transparency is left out,
 * and 16 bits are cut to 8.
 *
 * @throws FormatError naming the file, where it is neither or is damaged
 */
export function decodeImage({ name, bytes }: NamedBytes): ImageBytes {
  if (isPng(bytes)) return decoded(name, 'PNG', bytes, () => decodePng(bytes));
  if (bytes[0] === 0xff && bytes[1] === 0xd8) return decoded(name, 'JPEG', bytes, () => decodeJpeg(bytes));
  const found = [...bytes.subarray(0, 4)].map((byte) => byte.toString(16).padStart(2, '0')).join(' ');
  throw new FormatError(
    `${name}: is no image; it begins with the bytes ${found || '(none)'}, a PNG with 89 50, a JPEG with ff d8`,
  );
}

/** Pixels of four bytes each: red, green, blue and transparency. */
interface Rgba {
  readonly width: number;
  readonly height: number;
  readonly data: Uint8Array;
}

function decoded(name: string, format: string, bytes: Uint8Array, decode: () => Rgba): ImageBytes {
  let image: Rgba;
  try {
    image = decode();
    if (image.data.length !== 4 * image.width * image.height || image.data.length === 0) {
      throw new FormatError(`its header says ${image.width} x ${image.height}`);
    }
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new FormatError(`${name}: the ${format} image of ${bytes.length} bytes is cut short or damaged (${reason})`, {
      cause,
    });
  }
  const { width, height, data } = image;
  const planes = new Uint8Array(3 * width * height);
  for (let pixel = 0; pixel < width * height; pixel++) {
    for (let channel = 0; channel < 3; channel++) {
      planes[channel * width * height + pixel] = data[4 * pixel + channel] ?? 0;
    }
  }
  return { width, height, channels: 3, data: planes };
}

function isPng(bytes: Uint8Array): boolean {
  return [0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a].every((byte, at) => bytes[at] === byte);
}

function decodePng(bytes: Uint8Array<ArrayBuffer>): Rgba {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  // The header comes first: width and height are at bytes 16 and 20.
  const pixels = bytes.length < 24 ? 0 : view.getUint32(16) * view.getUint32(20);
  if (pixels > MOST_MEGAPIXELS * 1e6)
    throw new FormatError(`its header says ${pixels} pixels, more than ${MOST_MEGAPIXELS} million`);
  return PNG.sync.read(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength));
}

function decodeJpeg(bytes: Uint8Array): Rgba {
  return jpeg.decode(bytes, {
    useTArray: true,
    tolerantDecoding: false,
    maxResolutionInMP: MOST_MEGAPIXELS,
    maxMemoryUsageInMB: MOST_MEMORY,
  });
}
