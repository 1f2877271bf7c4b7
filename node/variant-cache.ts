import { createHash } from 'node:crypto';
import { mkdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { VariantEntries, VariantStore } from '../engine/variants.js';
import { cacheFolder } from './embedded-driver.js';
import { writeFileAtomic } from './files.js';

/** Chosen variants as JSON files in a folder, one for each adapter; by default bulwark's cache folder. */
export function variantFiles(folder = join(cacheFolder(), 'variants')): VariantStore & {
  /** The file of an adapter. */
  readonly pathOf: (adapter: string) => string;
} {
  const pathOf = (adapter: string): string =>
    join(folder, `${createHash('sha256').update(adapter).digest('hex').slice(0, 16)}.json`);
  return {
    pathOf,
    load: async (adapter) => {
      try {
        const held = JSON.parse(await readFile(pathOf(adapter), 'utf8')) as unknown;
        return isCache(held) && held.adapter === adapter ? held.variants : undefined;
      } catch {
        // Missing, or broken: it is measured anew, and replaced whole.
        return undefined;
      }
    },
    save: async (adapter, variants) => {
      await mkdir(folder, { recursive: true });
      await writeFileAtomic(pathOf(adapter), `${JSON.stringify({ adapter, variants }, null, 2)}\n`);
    },
  };
}

interface Cache {
  readonly adapter: string;
  readonly variants: VariantEntries;
}

function isCache(value: unknown): value is Cache {
  if (typeof value !== 'object' || value === null || !('adapter' in value) || !('variants' in value)) return false;
  const { variants } = value;
  if (typeof variants !== 'object' || variants === null || Array.isArray(variants)) return false;
  return Object.values(variants).every((variant) => typeof variant === 'string' || typeof variant === 'object');
}
