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

/** Where {@link folderOf} looks. */
export interface DatasetPlaces {
  /** A folder that was named: it is taken as it is. */
  readonly named?: string | undefined;
  /** Folders that have the dataset from elsewhere, such as a package. */
  readonly others?: readonly string[];
  /** Whether a folder holds the files that are to be read: an attempt to fetch them may have left it with some of them. */
  readonly holds: (folder: string) => boolean;
  /** Another way to get the files, for the error. */
  readonly hint?: string;
}

/**
 * Where a dataset's files are: the folder that is named, else the first of its folder of {@link dataFolder} and `others` that holds them.
 * @throws ArgumentError where there is none, saying how to get the files
 */
export function folderOf(dataset: string, { named, others = [], holds, hint = '' }: DatasetPlaces): string {
  if (named !== undefined) return named;
  const own = join(dataFolder(), dataset);
  const found = [own, ...others].find(holds);
  if (found !== undefined) return found;
  const lack = existsSync(own) ? `${own} does not hold all of its files` : 'no data found';
  throw new ArgumentError(
    `${dataset}: ${lack}; run 'bulwark data get ${dataset}'${hint}, or name a folder that holds its files`,
  );
}

/** Whether there is a file, not a folder, of that name. */
export function isFile(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isFile() ?? false;
}
