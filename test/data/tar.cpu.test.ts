import { gzipSync } from 'fflate';
import { describe, expect, it } from 'vitest';
import { filesOfTar, readTar } from '../../data/tar.js';
import { FormatError } from '../../engine/errors.js';
import { tar } from '../support/tar.js';

describe('readTar', () => {
  it('gives the regular files and passes over folders and links', () => {
    const bytes = tar([
      { path: 'folder/', bytes: '', type: '5' },
      { path: 'folder/a.txt', bytes: 'first' },
      { path: 'link', bytes: '', type: '2' },
      { path: 'b', bytes: 'x'.repeat(600) },
    ]);
    const files = readTar(bytes, 'a.tar').map(({ path, bytes: data }) => [path, new TextDecoder().decode(data)]);
    expect(files).toEqual([
      ['folder/a.txt', 'first'],
      ['b', 'x'.repeat(600)],
    ]);
  });

  it('takes the long names of GNU tar and of pax, each for the next file alone', () => {
    const long = `${'folder/'.repeat(40)}end.bin`;
    const record = (body: string): string => {
      let length = body.length + 3;
      while (`${length} ${body}\n`.length !== length) length = `${length} ${body}\n`.length;
      return `${length} ${body}\n`;
    };
    const bytes = tar([
      { path: '././@LongLink', bytes: `${long}\0`, type: 'L' },
      { path: long.slice(0, 100), bytes: '1' },
      { path: 'global', bytes: record('comment=x'), type: 'g' },
      { path: 'PaxHeaders/x', bytes: record('mtime=1.5') + record(`path=p/${long}`) + record('uid=0'), type: 'x' },
      { path: long.slice(0, 100), bytes: '2' },
      { path: 'PaxHeaders/y', bytes: record('mtime=2'), type: 'x' },
      { path: 'short', bytes: '3' },
      { path: 'PaxHeaders/z', bytes: 'nonsense', type: 'x' },
      { path: 'last', bytes: '4' },
    ]);
    expect(readTar(bytes, 'a.tar').map(({ path }) => path)).toEqual([long, `p/${long}`, 'short', 'last']);
  });

  it('names the byte at which an archive ends too soon', () => {
    const bytes = tar([{ path: 'a', bytes: 'x'.repeat(600) }]);
    expect(() => readTar(bytes.subarray(0, 900), 'a.tar')).toThrow(
      new FormatError('a.tar: ends at byte 900, inside a file that reaches to byte 1112'),
    );
    expect(() => readTar(bytes.subarray(0, 100), 'a.tar')).toThrow(
      new FormatError('a.tar: ends at byte 100, where a tar header should be'),
    );
    expect(() => readTar(bytes.subarray(0, 1536), 'a.tar')).toThrow(/ends at byte 1536, where a tar header should be/);
  });

  it('refuses what is not a tar archive, and a header with a flipped bit', () => {
    const text = new TextEncoder().encode('not an archive '.repeat(80));
    expect(() => readTar(text, 'a.tar')).toThrow(/no tar header at byte 0/);
    const bytes = tar([
      { path: 'a', bytes: '1' },
      { path: 'b', bytes: '2' },
    ]);
    bytes[1024 + 125] = 0x37;
    expect(() => readTar(bytes, 'a.tar')).toThrow(/no tar header at byte 1024/);
  });
});

describe('filesOfTar', () => {
  const bytes = tar([
    { path: './inner/b', bytes: 'second' },
    { path: 'a', bytes: 'first' },
    { path: 'other-a', bytes: 'wrong' },
  ]);

  it.each([
    ['plain', bytes],
    ['packed', new Uint8Array(gzipSync(bytes))],
  ])('finds files by name in any folder of a %s archive', async (_, archive) => {
    const files = await filesOfTar({ name: 'x.tar', bytes: archive }, ['a', 'b']);
    expect(files.map(({ name, bytes: data }) => [name, new TextDecoder().decode(data)])).toEqual([
      ['x.tar: a', 'first'],
      ['x.tar: ./inner/b', 'second'],
    ]);
  });

  it('says what an archive holds that lacks the file', async () => {
    await expect(filesOfTar({ name: 'x.tar', bytes }, ['c'])).rejects.toThrow(
      new FormatError('x.tar: holds no c, but ./inner/b, a, other-a'),
    );
    await expect(filesOfTar({ name: 'x.tar', bytes: tar([]) }, ['c'])).rejects.toThrow(
      /holds no c, but no file at all/,
    );
  });
});
