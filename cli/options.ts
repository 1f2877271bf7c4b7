/** Reading of option values: each parser names the option, what it got and what would be right. */
import { Option, type Command } from 'commander';
import type { OptionValue } from '../adversarial/objectives/objective.js';
import { unknownName } from '../engine/named-options.js';
import { ADAPTER_NAMES } from '../node/adapter.js';
import { MODELS, modelEntry } from '../nn/models/registry.js';
import { UsageError, asUsage } from './errors.js';

/** The numbers that an option takes. */
export interface NumberDomain {
  readonly least?: number;
  readonly most?: number;
  /** `least` itself is not one of them. */
  readonly above?: boolean;
  readonly integer?: boolean;
  /** Added to the error: what a slip may have been. */
  readonly hint?: string;
}

const NUMBER = /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i;

/** Reads a number, or a fraction such as 8/255. */
export function numberOption(name: string, domain: NumberDomain = {}): (text: string) => number {
  const { least = -Infinity, most = Infinity, above = false, integer = false } = domain;
  return (text) => {
    const parts = text.split('/').map((part) => part.trim());
    const [numerator = NaN, denominator = 1] = parts.map((part) => (NUMBER.test(part) ? Number(part) : NaN));
    const value = parts.length > 2 ? NaN : numerator / denominator;
    const inside = Number.isFinite(value) && value >= least && value <= most && !(above && value === least);
    if (inside && (!integer || Number.isSafeInteger(value))) return value;
    throw new UsageError(
      `${name}: '${text}' is not ${describeDomain(domain)}${domain.hint ? ` (${domain.hint})` : ''}`,
    );
  };
}

function describeDomain({ least, most, above, integer }: NumberDomain): string {
  const kind = integer ? 'an integer' : 'a number';
  if (least !== undefined && above) return `${kind} above ${least}${most === undefined ? '' : `, up to ${most}`}`;
  if (least !== undefined) return `${kind} from ${least} ${most === undefined ? 'up' : `to ${most}`}`;
  return kind;
}

/** Adds one `name=value` to those that came before; values are numbers (or fractions), true, false, or else texts. */
export function settingOption(
  name: string,
): (text: string, before?: Readonly<Record<string, OptionValue>>) => Record<string, OptionValue> {
  return (text, before = {}) => {
    const [, key = '', value = ''] = /^([^=]+)=(.+)$/s.exec(text) ?? [];
    if (key === '') throw new UsageError(`${name}: '${text}' is not name=value, such as lambda=0.4`);
    if (key in before) throw new UsageError(`${name}: ${key} is given twice`);
    return { ...before, [key]: settingValue(name, value) };
  };
}

function settingValue(name: string, text: string): OptionValue {
  if (text === 'true' || text === 'false') return text === 'true';
  return text.split('/').every((part) => NUMBER.test(part.trim())) ? numberOption(name)(text) : text;
}

/** Reads one of a few names; an unknown one is answered with the nearest. */
export function nameOption<T extends string>(what: string, known: readonly T[]): (text: string) => T {
  return (text) => {
    const found = known.find((name) => name === text);
    if (found !== undefined) return found;
    throw new UsageError(unknownName(what, text, known));
  };
}

/** The radius of an attack. */
export const EPS: NumberDomain = { least: 0, most: 1, hint: 'in units of the data: 8/255, not 8' };

/** How many of something. */
export const COUNT: NumberDomain = { least: 1, integer: true };

/** The factor of a model's channels. */
export const WIDTH: NumberDomain = { least: 0, above: true };

/** An option that takes a number; `usual` is its default, if it has one of its own. */
export function numeric(flags: string, text: string, domain: NumberDomain, usual?: number): Option {
  return new Option(flags, text).argParser(numberOption(flags.split(' ')[0] ?? flags, domain)).default(usual);
}

/** An option that takes one of a few names of a `what`. */
export function named(flags: string, what: string, text: string, known: readonly string[], usual?: string): Option {
  return new Option(flags, text).argParser(nameOption(what, known)).default(usual);
}

/** An option's flag by the name that Commander gives it: `--image-size` of imageSize. */
export function flagOf(name: string): string {
  return `--${name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`;
}

/** `--seed`. */
export const seedOption = (): Option =>
  numeric('--seed <integer>', 'same seed, same adapter, same bits', { least: 0, integer: true }, 0);

/** `--model`, one of those that there are, or a wide residual network of any size; `what` says whose. */
export function modelOption(what: string): Option {
  const names = MODELS.map(({ name }) => name).join(', ');
  return new Option('--model <name>', `${what}: ${names}, wrn-<depth>-<widening>`).argParser(
    (text: string) => asUsage(() => modelEntry(text)).name,
  );
}

/** `--data`, where a dataset's files are. */
export const dataOption = (): Option =>
  new Option(
    '--data <folder>',
    "the dataset's files (default: what 'bulwark data list' names); of dataset folder, images as train/class/image.png, test/class/...",
  );

/** `--image-size`, the side of the square that images of dataset folder are brought to. */
export const imageSizeOption = (): Option =>
  numeric(
    '--image-size <pixels>',
    'bring the images of dataset folder to squares of this side (default: as they are)',
    COUNT,
  );

/** Adds `--out` and `--force`. */
export function addPlaceOptions(command: Command, what: string): Command {
  return command
    .option('--out <folder>', `where everything goes (default: a new folder, runs/${what})`)
    .option('--force', 'replace the run that the folder of --out holds');
}

/** Adds the options that every command has. */
export function addCommonOptions(command: Command): Command {
  const text = `what to compute on: ${ADAPTER_NAMES.join(', ')} (default: BULWARK_ADAPTER, or auto: the fastest)`;
  return command
    .addOption(named('--adapter <name>', 'adapter', text, ADAPTER_NAMES))
    .option('--debug', 'on an error, show its stack and its causes');
}
