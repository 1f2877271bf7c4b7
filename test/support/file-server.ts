import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';

/** How a server hands out its file. */
export interface Serving {
  bytes: Uint8Array;
  /** Sends so many bytes of an answer and then nothing, until `breakOff`. */
  stopAfter?: number | undefined;
  /** Whether it heeds a range; true unless told. */
  ranges?: boolean;
  /** What it answers instead of 200, without a file. */
  status?: number;
  /** Leaves out how long the file is. */
  noLength?: boolean;
  /** The byte that a partial answer claims to begin with, in place of the one asked for. */
  claimedStart?: number;
  /** A content encoding that it claims. */
  encoding?: string;
}

/** A server of one file on this machine. */
export interface FileServer {
  /** Its address, with a slash at its end. */
  readonly url: string;
  /** May be changed between requests. */
  readonly serving: Serving;
  /** The ranges that were asked for so far, '' for none. */
  readonly ranges: string[];
  /** Breaks every connection off. */
  breakOff(): void;
  close(): Promise<void>;
}

/** Starts a server that gives the same file under every path. */
export async function serveFile(bytes: Uint8Array): Promise<FileServer> {
  const serving: Serving = { bytes };
  const ranges: string[] = [];
  const server = createServer((request, response) => {
    ranges.push(request.headers.range ?? '');
    answer(serving, request, response);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  const port = typeof address === 'object' && address !== null ? address.port : 0;
  return {
    url: `http://127.0.0.1:${port}/`,
    serving,
    ranges,
    breakOff: () => server.closeAllConnections(),
    close: () => closed(server),
  };
}

function answer(serving: Serving, request: IncomingMessage, response: ServerResponse): void {
  const { bytes, stopAfter, ranges = true, status, noLength = false, claimedStart, encoding } = serving;
  if (status !== undefined) {
    response.writeHead(status).end('no file here');
    return;
  }
  const [, start = '0'] = /^bytes=(\d+)-$/.exec(ranges ? (request.headers.range ?? '') : '') ?? [];
  const from = Number(start);
  if (from > 0 && from >= bytes.length) {
    response.writeHead(416).end();
    return;
  }
  const rest = bytes.subarray(from);
  response.writeHead(from > 0 ? 206 : 200, {
    ...(encoding !== undefined && { 'content-encoding': encoding }),
    ...(!noLength && { 'content-length': rest.length }),
    ...(from > 0 && { 'content-range': `bytes ${claimedStart ?? from}-${bytes.length - 1}/${bytes.length}` }),
  });
  if (stopAfter === undefined || stopAfter >= rest.length) response.end(rest);
  else response.write(rest.subarray(0, stopAfter));
}

async function closed(server: Server): Promise<void> {
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
}
