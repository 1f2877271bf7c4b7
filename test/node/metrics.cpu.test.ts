import { appendFile, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fs from 'node:fs';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { ArgumentError, BulwarkError, FormatError } from '../../engine/errors.js';
import { openMetrics, parseMetrics, readMetrics } from '../../node/metrics.js';

vi.mock('node:fs', async (original) => {
  const actual = await original<typeof fs>();
  const writeSync = vi.fn(actual.writeSync);
  return { ...actual, writeSync, default: { ...actual, writeSync } };
});

let folder: string;
let path: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'bulwark-metrics-'));
  path = join(folder, 'metrics.jsonl');
});
afterEach(async () => {
  await rm(folder, { recursive: true, force: true });
});

describe('openMetrics', () => {
  it('writes a line a record, there as soon as it is written, and reads them back', async () => {
    const records = [
      { kind: 'step', step: 1, loss: 2.302585092994046 },
      { kind: 'note', text: 'two\nlines "quoted" ü' },
      { loss: NaN, best: -Infinity, worst: Infinity, nested: { values: [1, NaN] } },
    ];
    const writer = openMetrics(path);
    for (const record of records) {
      writer.write(record);
      expect((await readMetrics(path)).at(-1)).toEqual(record);
    }
    writer.close();
    writer.close();
    expect(await readMetrics(path)).toEqual(records);
    expect((await readFile(path, 'utf8')).split('\n').length).toBe(4);
    expect(() => {
      writer.write({});
    }).toThrow(BulwarkError);
  });

  it('starts a new file, or goes on with one and cuts an unfinished line off', async () => {
    {
      using writer = openMetrics(path);
      writer.write({ step: 1 });
    }
    expect(() => openMetrics(path)).toThrow(ArgumentError);
    expect(() => openMetrics(path)).toThrow(/^cannot write .*metrics.jsonl: it exists already/);
    await appendFile(path, '{"step": 2, "lo');
    {
      using writer = openMetrics(path, { append: true });
      writer.write({ step: 2 });
    }
    expect(await readMetrics(path)).toEqual([{ step: 1 }, { step: 2 }]);
    {
      using writer = openMetrics(join(folder, 'new'), { append: true });
      writer.write({ step: 3 });
    }
    expect(await readMetrics(join(folder, 'new'))).toEqual([{ step: 3 }]);
  });

  it('leaves no part of a line where the disk is filling up, and goes on once there is room', async () => {
    const { writeSync } = await vi.importActual<typeof fs>('node:fs');
    using writer = openMetrics(path);
    writer.write({ step: 1 });
    const full = Object.assign(new Error('no space'), { code: 'ENOSPC' });
    vi.mocked(fs.writeSync)
      .mockImplementationOnce((file, line) => writeSync(file, (Object(line) as Uint8Array).subarray(0, 5)))
      .mockImplementationOnce(() => {
        throw full;
      });
    expect(() => {
      writer.write({ step: 2 });
    }).toThrow(/^cannot write .*: the disk is full/);
    expect(await readFile(path, 'utf8')).toBe('{"step":1}\n');
    vi.mocked(fs.writeSync).mockImplementationOnce((file, line) =>
      writeSync(file, (Object(line) as Uint8Array).subarray(0, 3)),
    );
    writer.write({ step: 3 });
    expect(await readMetrics(path)).toEqual([{ step: 1 }, { step: 3 }]);
  });

  it('names a file that it cannot write', () => {
    expect(() => openMetrics(join(folder, 'none', 'm'))).toThrow(/^cannot write .*: there is no such file or folder/);
    expect(() => openMetrics(folder, { append: true })).toThrow(/it is a folder, not a file/);
  });
});

describe('readMetrics', () => {
  it('names the line that is broken', async () => {
    const broken: [text: string, message: RegExp][] = [
      ['{"a":1}\n{"b":\n', /^m: line 2 \(byte 8\) is not valid JSON \(/],
      ['{"é":1}\n\n\n[1]\n', /^m: line 4 \(byte 11\) is not a JSON object/],
      ['3', /^m: line 1 \(byte 0\) is not a JSON object/],
      ['null\n', /line 1 .*not a JSON object/],
      ['{"a":1}\n{"step": 2, "lo', /line 2 .*not valid JSON/],
      ['<!doctype html>', /line 1 .*not valid JSON/],
    ];
    for (const [text, message] of broken) {
      expect(() => parseMetrics(text, 'm')).toThrow(FormatError);
      expect(() => parseMetrics(text, 'm')).toThrow(message);
    }
    await writeFile(path, '{}\nx');
    await expect(readMetrics(path)).rejects.toThrow(/metrics.jsonl: line 2 \(byte 3\)/);
    await writeFile(path, '{"a":\n{}\n');
    await expect(readMetrics(path)).rejects.toThrow(/metrics.jsonl: line 1 \(byte 0\)/);
    await expect(readMetrics(join(folder, 'none'))).rejects.toThrow(ArgumentError);
    // What a run that was killed leaves, and what another program may.
    await writeFile(path, '{"a":1}\n{"step": 2, "lo');
    expect(await readMetrics(path)).toEqual([{ a: 1 }]);
    await writeFile(path, '{"a":1}\n{"a":2}');
    expect(await readMetrics(path)).toEqual([{ a: 1 }, { a: 2 }]);
    expect(parseMetrics('', 'm')).toEqual([]);
    expect(parseMetrics('{"a":1}\r\n{"a":2}', 'm')).toEqual([{ a: 1 }, { a: 2 }]);
  });
});
