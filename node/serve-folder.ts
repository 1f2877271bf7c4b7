import { existsSync } from 'node:fs';
import { createServer } from 'node:http';
import sirv from 'sirv';
import { ArgumentError } from '../engine/errors.js';

/** A server of files, on this machine alone. */
export interface FolderServer {
  /** Its address, with a slash at its end. */
  readonly url: string;
  /** Breaks all connections off and ends it. */
  close(): Promise<void>;
}

/**
 * Serves the files of a folder on the loopback address; 0, the default port, is one that is free.
 *
 * @throws ArgumentError where there is no such folder or the port is taken
 */
export async function serveFolder(folder: string, port = 0): Promise<FolderServer> {
  if (!existsSync(folder)) throw new ArgumentError(`${folder}: there is no such folder to serve`);
  const files = sirv(folder, { dev: true, etag: true });
  const server = createServer((request, response) => {
    files(request, response, () => void response.writeHead(404, { 'Content-Type': 'text/plain' }).end('no such file'));
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', (cause: NodeJS.ErrnoException) => {
      const reason =
        cause.code === 'EADDRINUSE' ? 'is taken; name another, or none' : `cannot be had: ${cause.message}`;
      reject(new ArgumentError(`port ${port} ${reason}`, { cause }));
    });
    server.listen(port, '127.0.0.1', resolve);
  });
  const address = server.address();
  const bound = typeof address === 'object' && address !== null ? address.port : port;
  return {
    url: `http://127.0.0.1:${bound}/`,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}
