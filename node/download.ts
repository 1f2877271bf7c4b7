/** Fetching of files that are known by their checksum. */
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { open, rename, rm, stat } from 'node:fs/promises';
import { basename } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { BulwarkError, FormatError } from '../engine/errors.js';
import { fileError } from './file-error.js';

/** What a file has to be: the checksum that its publisher gives, in hexadecimal. */
export type Checksum = { readonly sha256: string } | { readonly md5: string };

/** Where a file comes from, and how to know it. */
export interface DownloadSource {
  /** Where it is, the preferred place first. */
  readonly urls: readonly string[];
  readonly checksum: Checksum;
}

/** What to do during a {@link download}. */
export interface DownloadOptions {
  /** Called with the bytes that are here and, where the server says it, those of the whole file. */
  readonly onProgress?: ((done: number, total: number | undefined) => void) | undefined;
  /** Stops the download; what is here stays, to go on from. */
  readonly signal?: AbortSignal | undefined;
}

/** A place that gave no file; another one may. */
class SourceError extends BulwarkError {}

/**
 * Fetches a file to `path`, from the first of its places that gives it. It is there whole and with the right checksum, or not at all: until
 * then it is `path` with `.part`, from the end of which a later call goes on where the server can. A file that is there already is
 * only checked, and fetched again where its checksum is wrong.
 *
 * @throws BulwarkError saying of each place why it gave nothing, or that the disk is full; FormatError where the checksum is wrong (the file
 * is removed); ArgumentError where `path` cannot be written to; the signal's reason
 */
export async function download(source: DownloadSource, path: string, options: DownloadOptions = {}): Promise<void> {
  if (await isWhole(path, source.checksum)) return;
  const part = `${path}.part`;
  const failures: BulwarkError[] = [];
  for (const url of source.urls) {
    try {
      await fetchChecked(url, part, source.checksum, options);
      await rename(part, path);
      return;
    } catch (error) {
      options.signal?.throwIfAborted();
      if (!(error instanceof SourceError || error instanceof FormatError)) throw fileError('write', path, error);
      failures.push(error);
    }
  }
  const [only] = failures;
  if (only && failures.length === 1) throw only;
  const all = failures.map(({ message }) => message).join('\n');
  if (!only) throw new BulwarkError(`${basename(path)}: there is no place to fetch it from`);
  throw failures.every((failure) => failure instanceof FormatError) ? new FormatError(all) : new BulwarkError(all);
}

/** Whether a file is there with the right contents. */
export async function isWhole(path: string, checksum: Checksum): Promise<boolean> {
  return (await sizeOf(path)) > 0 && (await checksumError(path, checksum)) === undefined;
}

/** Fetches what is missing of the file `part`, and removes it where the whole is wrong. */
async function fetchChecked(url: string, part: string, checksum: Checksum, options: DownloadOptions): Promise<void> {
  const resumed = await fetchRest(url, part, options);
  let wrong = await checksumError(part, checksum);
  if (wrong !== undefined && resumed) {
    // The beginning may have been of another file.
    await rm(part, { force: true });
    await fetchRest(url, part, options);
    wrong = await checksumError(part, checksum);
  }
  if (wrong === undefined) return;
  await rm(part, { force: true });
  throw new FormatError(`${url}: ${wrong}; it was removed`);
}

/** Fetches the file from the end of `part` on; tells whether there was a beginning that it went on from. */
async function fetchRest(url: string, part: string, { onProgress, signal }: DownloadOptions): Promise<boolean> {
  const held = await sizeOf(part);
  const response = await request(url, held, signal);
  // The server has nothing beyond what is here: this is the whole file, or it is of another one.
  if (response.status === 416 && held > 0) return true;
  if (!response.ok || response.body === null) {
    throw new SourceError(`${url}: the server answers ${response.status} ${response.statusText}`.trimEnd());
  }
  const encoding = response.headers.get('content-encoding') ?? 'identity';
  if (encoding !== 'identity') {
    // What was asked for as it is comes unpacked, so neither its bytes nor their number are the file's.
    await response.body.cancel();
    throw new SourceError(`${url}: the server sends the file as content-encoding ${encoding}, which changes its bytes`);
  }
  const from = response.status === 206 && startOf(response) === held ? held : 0;
  if (response.status === 206 && from !== held) {
    await response.body.cancel();
    await rm(part, { force: true });
    throw new SourceError(
      `${url}: the server sent another part of the file than that from byte ${held} on; fetch it again`,
    );
  }
  const length = Number(response.headers.get('content-length') ?? NaN);
  const total = Number.isFinite(length) ? from + length : undefined;
  await receive(response.body, { url, part, from, total, onProgress });
  return from > 0;
}

async function request(url: string, held: number, signal: AbortSignal | undefined): Promise<Response> {
  // As it is: a packed file must not be unpacked on the way.
  const headers = { 'accept-encoding': 'identity', ...(held > 0 && { range: `bytes=${held}-` }) };
  try {
    return await fetch(url, { headers, ...(signal && { signal }) });
  } catch (cause) {
    signal?.throwIfAborted();
    throw new SourceError(`${url}: cannot be reached (${reasonOf(cause)})`, { cause });
  }
}

interface Receiving extends Pick<DownloadOptions, 'onProgress'> {
  readonly url: string;
  readonly part: string;
  readonly from: number;
  readonly total: number | undefined;
}

/** Writes a body to the file from byte `from` on. */
async function receive(
  body: ReadableStream<Uint8Array>,
  { url, part, from, total, onProgress }: Receiving,
): Promise<void> {
  const file = await open(part, from > 0 ? 'a' : 'w').catch((cause: unknown) => {
    throw fileError('write', part, cause);
  });
  let done = from;
  try {
    onProgress?.(done, total);
    for await (const chunk of body) {
      await written(part, file.writeFile(chunk));
      done += chunk.length;
      onProgress?.(done, total);
    }
    await written(part, file.sync());
  } catch (cause) {
    if (cause instanceof BulwarkError) throw cause;
    const of = total === undefined ? '' : ` of ${total}`;
    throw new SourceError(
      `${url}: broke off after ${done}${of} bytes (${reasonOf(cause)}); fetch it again, to go on from there`,
      { cause },
    );
  } finally {
    await file.close();
  }
}

/** Waits for something to be written; where it cannot be, the file is removed, so that a full disk does not stay full. */
async function written(part: string, writing: Promise<void>): Promise<void> {
  try {
    await writing;
  } catch (cause) {
    await rm(part, { force: true });
    throw fileError('write', part, cause);
  }
}

/** The first byte that a partial answer holds. */
function startOf(response: Response): number {
  const [, start = ''] = /^bytes (\d+)-/.exec(response.headers.get('content-range') ?? '') ?? [];
  return start === '' ? NaN : Number(start);
}

/** What is wrong with a file's contents, if anything. */
async function checksumError(path: string, checksum: Checksum): Promise<string | undefined> {
  const [kind, expected] =
    'sha256' in checksum ? (['sha256', checksum.sha256] as const) : (['md5', checksum.md5] as const);
  const hash = createHash(kind);
  try {
    await pipeline(createReadStream(path), hash);
  } catch (cause) {
    throw fileError('read', path, cause);
  }
  const found = hash.digest('hex');
  return found === expected ? undefined : `${basename(path, '.part')} has the ${kind} ${found}, not ${expected}`;
}

async function sizeOf(path: string): Promise<number> {
  return stat(path).then(
    ({ size }) => size,
    () => 0,
  );
}

/** Why a connection failed, in a few words: `fetch` hides it in its error's cause. */
function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const { cause } = error;
  if (cause instanceof Error) return reasonOf(cause);
  return 'code' in error && error.message === '' ? String(error.code) : error.message;
}
