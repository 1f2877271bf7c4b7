import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { FormatError } from '../engine/errors.js';
import { fileError } from '../node/file-error.js';
import { CONFIG_VERSION, type ConfigPatch, type TrainConfig } from './config.js';
import { checkConfig, checkPatch, type Checked } from './config-schema.js';
import { RUN_FILES } from './folders.js';

/**
 * The configuration of a run's folder.
 *
 * @throws ArgumentError where there is none; FormatError where it is broken, of another version, or has keys that there are not
 */
export async function readRunConfig(folder: string): Promise<TrainConfig> {
  const path = join(folder, RUN_FILES.config);
  const value = await readJson(path);
  checkVersion(path, value, false);
  return accepted(path, checkConfig(value));
}

/**
 * A file of settings, each of which may be missing; a run's `config.json` is one too.
 *
 * @throws ArgumentError where there is none; FormatError where it is broken, of another version, or has keys that there are not
 */
export async function readConfigFile(path: string): Promise<ConfigPatch & { readonly preset?: string }> {
  const value = await readJson(path);
  checkVersion(path, value, true);
  return accepted(path, checkPatch(value));
}

function checkVersion(path: string, value: unknown, mayLack: boolean): void {
  const { version } = Object(value) as { version?: unknown };
  if (version === CONFIG_VERSION || (version === undefined && mayLack)) return;
  const found = version === undefined ? 'no version' : `version ${JSON.stringify(version)}`;
  throw new FormatError(`${path}: has ${found}; this bulwark reads version ${CONFIG_VERSION}`);
}

function accepted<T>(path: string, checked: Checked<T>): T {
  if ('value' in checked) return checked.value;
  throw new FormatError(`${path}: ${checked.mistakes.join('; ')}`);
}

async function readJson(path: string): Promise<unknown> {
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (cause) {
    throw fileError('read', path, cause);
  }
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new FormatError(`${path}: is no JSON (${cause instanceof Error ? cause.message : String(cause)})`, { cause });
  }
}
