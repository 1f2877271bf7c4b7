import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { ArgumentError, FormatError } from '../../engine/errors.js';
import { decodeImage } from '../../node/decode-image.js';
import { classFolders, loadImageFolder } from '../../node/image-folder.js';
import { greyJpeg } from '../support/jpeg.js';
import { png } from '../support/png.js';

let root: string;
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'bulwark-images-'));
});
afterEach(() => rm(root, { recursive: true, force: true }));

async function put(path: string, bytes: Uint8Array): Promise<void> {
  await mkdir(dirname(join(root, path)), { recursive: true });
  await writeFile(join(root, path), bytes);
}

const grey = (value: number, width = 8, height = 8) => png(width, height, () => [value, value, value]);
const color = png(8, 8, (x, y) => [10 * x, 20 * y, 7]);

describe('decodeImage', () => {
  it('reads PNG and JPEG by what they are, not by their names', () => {
    const image = decodeImage({ name: 'x.jpg', bytes: color });
    expect(image).toMatchObject({ width: 8, height: 8, channels: 3 });
    expect([image.data[3 * 8 + 5], image.data[64 + 3 * 8 + 5], image.data[128 + 3 * 8 + 5]]).toEqual([50, 60, 7]);
    for (const value of [192, 200, 255]) {
      const { data } = decodeImage({ name: 'x.png', bytes: greyJpeg(value) });
      expect([...data]).toEqual(Array<number>(192).fill(value));
    }
  });

  it('names a file that is no image', () => {
    expect(() => decodeImage({ name: 'a.png', bytes: Uint8Array.of(0x47, 0x49, 0x46, 0x38, 0x39) })).toThrow(
      new FormatError('a.png: is no image; it begins with the bytes 47 49 46 38, a PNG with 89 50, a JPEG with ff d8'),
    );
    expect(() => decodeImage({ name: 'a', bytes: new Uint8Array(0) })).toThrow(/begins with the bytes \(none\)/);
  });

  it('does not believe a header that asks for all memory', () => {
    const huge = Uint8Array.from(color);
    huge.set([0x7f, 0xff, 0xff, 0xff, 0x7f, 0xff, 0xff, 0xff], 16);
    expect(() => decodeImage({ name: 'h.png', bytes: huge })).toThrow(/^h.png: .* more than 64 million\)$/);
  });

  it.each([
    ['png', color],
    ['jpeg', greyJpeg(200)],
  ])('gives a %s that is cut or changed anywhere as a FormatError or an image', (_, bytes) => {
    const attempt = (name: string, changed: Uint8Array<ArrayBuffer>): void => {
      try {
        const { width, height, data } = decodeImage({ name, bytes: changed });
        expect(data.length).toBe(3 * width * height);
      } catch (error) {
        expect(error).toBeInstanceOf(FormatError);
        expect(String(error)).toContain(`${name}: `);
      }
    };
    for (let at = 0; at < bytes.length; at++) {
      attempt(`cut ${at}`, bytes.slice(0, at));
      for (const bit of [1, 0x80, 0xff]) {
        const changed = Uint8Array.from(bytes);
        changed[at] = (changed[at] ?? 0) ^ bit;
        attempt(`changed ${at}`, changed);
      }
    }
  });
});

describe('loadImageFolder', () => {
  it('takes classes and images in the order of their names, and passes over what is no image', async () => {
    await put('b/2.png', grey(2));
    await put('b/10.PNG', grey(10));
    await put('B/x.jpeg', greyJpeg(201));
    await put('a/y.jpg', greyJpeg(202));
    await put('a/notes.txt', Uint8Array.of(1));
    await put('a/._y.jpg', Uint8Array.of(1));
    await put('.cache/x.png', Uint8Array.of(1));
    await put('list.csv', Uint8Array.of(1));
    const dataset = await loadImageFolder(root);
    expect(dataset).toMatchObject({ name: root, shape: [4, 1, 8, 8], classes: 3, classNames: ['B', 'a', 'b'] });
    expect([...dataset.labels]).toEqual([0, 1, 2, 2]);
    expect([0, 1, 2, 3].map((i) => dataset.images[64 * i])).toEqual([201, 202, 10, 2]);
    const { images } = await loadImageFolder(root, { channels: 3, name: 'mine' });
    expect([...images.subarray(2 * 192, 3 * 192)]).toEqual(Array<number>(192).fill(10));
  });

  it('has three channels where an image is coloured', async () => {
    await put('a/1.png', grey(9));
    await put('a/2.png', color);
    const dataset = await loadImageFolder(root);
    expect(dataset.shape).toEqual([2, 3, 8, 8]);
    expect([...dataset.images.subarray(0, 192)]).toEqual(Array<number>(192).fill(9));
    // Row 2, column 3.
    expect([0, 1, 2].map((channel) => dataset.images[192 + 64 * channel + 2 * 8 + 3])).toEqual([30, 40, 7]);
    await expect(loadImageFolder(root, { channels: 1 })).rejects.toThrow(/2.png: is coloured; ask for 3 channels/);
  });

  it('resizes, or says which images differ', async () => {
    await put('a/1.png', grey(9));
    await put('a/2.png', grey(50, 4, 6));
    await expect(loadImageFolder(root)).rejects.toThrow(ArgumentError);
    await expect(loadImageFolder(root)).rejects.toThrow(/2.png: is 4 x 6, but .*1.png is 8 x 8; give a size/);
    expect((await loadImageFolder(root, { size: 5 })).shape).toEqual([2, 1, 5, 5]);
    const flat = await loadImageFolder(root, { size: [2, 3] });
    expect(flat.shape).toEqual([2, 1, 2, 3]);
    expect([...flat.images]).toEqual([9, 9, 9, 9, 9, 9, 50, 50, 50, 50, 50, 50]);
    await expect(loadImageFolder(root, { size: 0 })).rejects.toThrow(ArgumentError);
  });

  it('numbers the classes as it is told, so that halves agree', async () => {
    await put('dog/1.png', grey(9));
    const dataset = await loadImageFolder(root, { classNames: ['cat', 'dog', 'eel'] });
    expect(dataset).toMatchObject({ classes: 3, labels: Int32Array.of(1) });
    await expect(loadImageFolder(root, { classNames: ['cat'] })).rejects.toThrow(
      /dog: is none of the classes, which are cat$/,
    );
  });

  it('follows links to folders, and passes over those to nowhere', async () => {
    await put('cat/1.png', grey(9));
    await symlink(join(root, 'cat'), join(root, 'lynx'));
    await symlink(join(root, 'nowhere'), join(root, 'gone'));
    await symlink(join(root, 'cat', '1.png'), join(root, 'image'));
    expect(await classFolders(root)).toEqual(['cat', 'lynx']);
    expect([...(await loadImageFolder(root)).labels]).toEqual([0, 1]);
  });

  it('says what is missing or broken', async () => {
    await expect(loadImageFolder(join(root, 'none'))).rejects.toThrow(
      /cannot read the folder of images .*none: there is/,
    );
    await expect(classFolders(root)).rejects.toThrow(/holds no folders; expected one for each class/);
    await mkdir(join(root, 'a'));
    await expect(loadImageFolder(root)).rejects.toThrow(/a: holds no .png, .jpg or .jpeg image/);
    await put('a/1.png', color.subarray(0, 60));
    await expect(loadImageFolder(root)).rejects.toThrow(FormatError);
    await expect(loadImageFolder(root)).rejects.toThrow(/a\/1.png: the PNG image of 60 bytes is cut short or damaged/);
  });
});
