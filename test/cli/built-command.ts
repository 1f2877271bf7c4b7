import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';

const root = fileURLToPath(new URL('../..', import.meta.url));

/** The command as one file. */
export interface BuiltCommand {
  readonly path: string;
  remove(): Promise<void>;
}

/** Builds the command anew, so that no old build is tested; within the repository, so that it finds packages. */
export async function buildCommand(): Promise<BuiltCommand> {
  const cache = join(root, 'node_modules', '.cache');
  await mkdir(cache, { recursive: true });
  const folder = await mkdtemp(join(cache, 'bulwark-command-'));
  const path = join(folder, 'cli.js');
  await build({
    absWorkingDir: root,
    entryPoints: ['cli/main.ts'],
    outfile: path,
    bundle: true,
    format: 'esm',
    platform: 'node',
    target: 'node20.19',
    packages: 'external',
    loader: { '.wgsl': 'text' },
    logLevel: 'silent',
  });
  return { path, remove: () => rm(folder, { recursive: true, force: true }) };
}
