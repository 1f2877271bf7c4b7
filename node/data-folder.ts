import { existsSync, statSync } from 'node:fs';
import { isAbsolute, join, resolve } from 'node:path';
import { ArgumentError } from '../engine/errors.js';
import { cacheFolder } from './embedded-driver.js';

/** The halves of a dataset. */
export type Split = 'train' | 'test';

/** Where datasets are kept, each in a folder of its own: `$BULWARK_DATA`, or `data` in bulwark's cache folder. */
export function dataFolder(): string {
  const chosen = process.env['BULWARK_DATA'];
  if (chosen === undefined || chosen === '') return join(cacheFolder(), 'data');
  return isAbsolute(chosen) ? chosen : resolve(chosen);
}

/**
 * Where a dataset's files are: the folder that is named, else its folder of {@link dataFolder}, else the first of `others` that is there.
 * @throws ArgumentError where there is none, saying how to get the files
 */
export function folderOf(dataset: string, named?: string, others: readonly string[] = [], hint = ''): string {
  if (named !== undefined) return named;
  const places = [join(dataFolder(), dataset), ...others];
  const found = places.find(existsSync);
  if (found !== undefined) return found;
  throw new ArgumentError(
    `${dataset}: no data found; run 'bulwark data get ${dataset}'${hint}, or name a folder that holds its files`,
  );
}

/** Whether there is a file, not a folder, of that name. */
export function isFile(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isFile() ?? false;
}
