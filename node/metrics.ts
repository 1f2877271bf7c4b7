/** Metrics files: JSON lines, one record to a line, in the order in which they came about. */
import { closeSync, fstatSync, ftruncateSync, openSync, readFileSync, writeSync } from 'node:fs';
import { FormatError } from '../engine/errors.js';
import { fileError } from './file-error.js';
import { readBytes, writeFileAtomic } from './files.js';

/** One line of a metrics file. */
export type MetricsRecord = Readonly<Record<string, unknown>>;

/** An open metrics file. Each record is on its way to the disk when `write` returns, so a run that dies loses none. */
export interface MetricsWriter extends Disposable {
  /** Appends one record. Numbers that JSON lacks are written as the strings `NaN`, `Infinity` and `-Infinity`. */
  write(record: MetricsRecord): void;
  /** Closes the file. Doing so twice is harmless. */
  close(): void;
}

/** Options of {@link openMetrics}. */
export interface OpenMetricsOptions {
  /** Go on with an existing file: an unfinished last line, which a run that was killed may leave, is cut off. */
  readonly append?: boolean | undefined;
}

/**
 * Opens a metrics file for writing; a new one, unless `append` is set.
 * @throws ArgumentError where the file exists (without `append`) or cannot be written
 */
export function openMetrics(path: string, options: OpenMetricsOptions = {}): MetricsWriter {
  let file: number | undefined;
  try {
    file = openSync(path, options.append ? 'a+' : 'ax');
    if (options.append) {
      const contents = readFileSync(path);
      const end = contents.lastIndexOf(0x0a) + 1;
      if (end < contents.length) ftruncateSync(file, end);
    }
  } catch (cause) {
    if (file !== undefined) closeSync(file);
    throw fileError('write', path, cause);
  }
  const close = (): void => {
    if (file !== undefined) closeSync(file);
    file = undefined;
  };
  const write = (record: MetricsRecord): void => {
    try {
      if (file === undefined) throw new Error('the file was closed');
      writeLine(file, Buffer.from(`${JSON.stringify(record, writeNumber)}\n`));
    } catch (cause) {
      throw fileError('write', path, cause);
    }
  };
  return { write, close, [Symbol.dispose]: close };
}

/** Appends a line whole, or leaves the file as it was: a disk that is filling up takes a part first. */
function writeLine(file: number, line: Uint8Array): void {
  let written = 0;
  try {
    while (written < line.length) written += writeSync(file, line, written);
  } catch (cause) {
    if (written > 0) ftruncateSync(file, fstatSync(file).size - written);
    throw cause;
  }
}

function writeNumber(_key: string, value: unknown): unknown {
  return typeof value === 'number' && !Number.isFinite(value) ? String(value) : value;
}

function readNumber(_key: string, value: unknown): unknown {
  return value === 'NaN' || value === 'Infinity' || value === '-Infinity' ? Number(value) : value;
}

/**
 * Parses the text of a metrics file; `name` names it in errors. Empty lines do not count.
 * @throws FormatError naming the file, the line and the byte at which it begins, for a line that is not a JSON object
 */
export function parseMetrics(text: string, name: string): MetricsRecord[] {
  const records: MetricsRecord[] = [];
  let start = 0;
  text.split('\n').forEach((line, index) => {
    if (line.trim() !== '') records.push(parseLine(line, `${name}: line ${index + 1} (byte ${start})`));
    start += Buffer.byteLength(line) + 1;
  });
  return records;
}

function parseLine(line: string, where: string): MetricsRecord {
  let value: unknown;
  try {
    value = JSON.parse(line, readNumber);
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new FormatError(`${where} is not valid JSON (${reason})`, { cause });
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new FormatError(`${where} is not a JSON object`);
  }
  return value as MetricsRecord;
}

/** The text without a last line that is the beginning of a record. */
function withoutTornLine(text: string): string {
  const start = text.lastIndexOf('\n') + 1;
  const last = text.slice(start);
  if (!last.startsWith('{')) return text;
  try {
    JSON.parse(last);
    return text;
  } catch {
    return text.slice(0, start);
  }
}

/**
 * Keeps those records of a metrics file that `keep` says yes to: what a run that is taken up again has not done yet goes. An unfinished last
 * line, which a run that was killed may leave, goes too. The file is replaced whole.
 *
 * @throws ArgumentError where there is none, FormatError as {@link parseMetrics} does
 */
export async function filterMetrics(path: string, keep: (record: MetricsRecord) => boolean): Promise<void> {
  const kept = (await readMetrics(path)).filter(keep);
  await writeFileAtomic(path, kept.map((record) => `${JSON.stringify(record, writeNumber)}\n`).join(''));
}

/**
 * Reads a metrics file, but for an unfinished last line, which a run that was killed may leave.
 * @throws ArgumentError where there is none, FormatError as {@link parseMetrics} does
 */
export async function readMetrics(path: string): Promise<MetricsRecord[]> {
  const text = new TextDecoder().decode(await readBytes(path));
  return parseMetrics(withoutTornLine(text), path);
}
