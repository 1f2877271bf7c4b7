/** Vite plugins for a page that works without a network. */
import { createHash } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Plugin } from 'vite';

/** The folder, among the hash-named files, of what is kept only once it was needed: the libraries that benchmarks compare with. */
export const PEERS = 'assets/peers/';

const SCRIPT = 'sw.js';

/**
 * Makes the service worker `sw.js` of its source, which keeps every file of the page but those under `PEERS`. Files of the public folder
 * count too.
 *
 * @param source the service worker's source file
 */
export function offline(source: string): Plugin {
  let publicFolder = '';
  return {
    name: 'offline',
    apply: 'build',
    enforce: 'post',
    configResolved: ({ publicDir }) => void (publicFolder = publicDir),
    buildStart() {
      this.emitFile({ type: 'chunk', id: source, fileName: SCRIPT });
    },
    generateBundle: {
      order: 'post',
      async handler(_, bundle) {
        const digest = createHash('sha256');
        const files: string[] = [];
        let entry: string | undefined;
        const add = (file: string, contents: string | Uint8Array): void => {
          digest.update(file).update(contents);
          // The page goes by the folder's address.
          if (!file.startsWith(PEERS)) files.push(file === 'index.html' ? './' : file);
        };
        for (const [file, made] of Object.entries(bundle).sort(([a], [b]) => (a < b ? -1 : 1))) {
          if (file === SCRIPT || file.endsWith('.map')) continue;
          if (made.type === 'chunk' && made.isEntry) entry = file;
          add(file, made.type === 'chunk' ? made.code : made.source);
        }
        for (const file of await filesUnder(publicFolder)) add(file, await readFile(join(publicFolder, file)));
        const script = bundle[SCRIPT];
        if (script?.type !== 'chunk' || entry === undefined)
          throw new Error('offline: the page or its service worker is missing');
        if (script.imports.length > 0) throw new Error(`offline: ${SCRIPT} has to be one file`);
        const version = JSON.stringify({ files, entry, digest: digest.digest('hex').slice(0, 16) });
        script.code = `const VERSION = ${version};\n${script.code}`;
      },
    },
  };
}

/** The files of a folder, by their paths from there with slashes, sorted. */
async function filesUnder(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  return entries
    .filter((entry) => entry.isFile())
    .map((entry) =>
      join(entry.parentPath, entry.name)
        .slice(folder.length + 1)
        .replaceAll('\\', '/'),
    )
    .sort();
}
