/**
 * The embedded Vulkan driver: SwiftShader, as npm package `@sparticuz/chromium` carries it together with a Vulkan loader.
 * It needs neither root nor a package manager, which makes it the adapter of last resort.
 */
import { createHash, randomUUID } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, open, readFile, rename, rm } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { constants, homedir } from 'node:os';
import { isAbsolute, join } from 'node:path';
import { promisify } from 'node:util';
import { brotliDecompress } from 'node:zlib';
import { readTar } from '../data/tar.js';
import { ArgumentError, FormatError, NoAdapterError } from '../engine/errors.js';

/** The npm package that carries the driver. */
export const DRIVER_PACKAGE = '@sparticuz/chromium';

const ARCHIVE = join(DRIVER_PACKAGE, 'bin', 'swiftshader.tar.br');
const LOADER = 'libvulkan.so.1';
const ICD = 'vk_swiftshader_icd.json';
const FILES = [LOADER, ICD, 'libvk_swiftshader.so'] as const;

/** glibc's RTLD_NODELETE, which Node.js does not name: the loader must outlive the failed import that brings it in. */
const RTLD_NODELETE = 0x1000;

/** Where the unpacked driver lies. */
export interface EmbeddedDriver {
  /** The Vulkan loader, to be loaded before Dawn looks for one. */
  readonly loader: string;
  /** The file that names the driver to the loader, for `VK_ICD_FILENAMES`. */
  readonly icd: string;
}

/** The packed driver, where the package is installed beside the application or beside bulwark; otherwise undefined. */
export function findDriverArchive(): string | undefined {
  if (process.platform !== 'linux' || process.arch !== 'x64') return undefined;
  const bases = [join(process.cwd(), 'package.json'), import.meta.url];
  return bases
    .flatMap((base) => createRequire(base).resolve.paths(DRIVER_PACKAGE) ?? [])
    .map((folder) => join(folder, ARCHIVE))
    .find((path) => existsSync(path));
}

/** bulwark's folder for what can be made again: `$XDG_CACHE_HOME/bulwark`, or `~/.cache/bulwark`. */
export function cacheFolder(): string {
  const base = process.env['XDG_CACHE_HOME'];
  return join(base !== undefined && isAbsolute(base) ? base : join(homedir(), '.cache'), 'bulwark');
}

/**
 * Unpacks the driver into a folder of its own inside `cache`, named after the archive's contents. A folder that is there
 * already is used as it is. The folder appears whole or not at all, and several processes may do this at once.
 *
 * @param archive the packed driver, a brotli-compressed tar archive
 * @throws FormatError where the archive is damaged, ArgumentError where `cache` cannot be written to
 */
export async function unpackDriver(archive: string, cache = cacheFolder()): Promise<EmbeddedDriver> {
  const packed = await readFile(archive);
  const digest = createHash('sha256').update(packed).digest('hex').slice(0, 16);
  const folder = join(cache, `swiftshader-${digest}`);
  if (!isComplete(folder)) await install(await driverFiles(packed, archive), folder);
  return { loader: join(folder, LOADER), icd: join(folder, ICD) };
}

function isComplete(folder: string): boolean {
  return FILES.every((name) => existsSync(join(folder, name)));
}

async function driverFiles(packed: Uint8Array, archive: string): Promise<Map<string, Uint8Array>> {
  let tar: Uint8Array<ArrayBuffer>;
  try {
    tar = new Uint8Array(await promisify(brotliDecompress)(packed));
  } catch (cause) {
    throw new FormatError(
      `${archive}: damaged or cut short after ${packed.length} bytes; install ${DRIVER_PACKAGE} again`,
      {
        cause,
      },
    );
  }
  const found = new Map(readTar(tar, archive).map(({ path, bytes }) => [path.replace(/^\.\//, ''), bytes]));
  return new Map(
    FILES.map((name) => {
      const bytes = found.get(name);
      if (!bytes) throw new FormatError(`${archive}: holds no ${name}; install ${DRIVER_PACKAGE} 147.0.0`);
      return [name, bytes];
    }),
  );
}

async function install(files: ReadonlyMap<string, Uint8Array>, folder: string): Promise<void> {
  const temporary = `${folder}.${randomUUID().slice(0, 8)}.tmp`;
  try {
    await mkdir(temporary, { recursive: true });
    for (const [name, bytes] of files) {
      const file = await open(join(temporary, name), 'wx');
      try {
        await file.writeFile(bytes);
        await file.sync();
      } finally {
        await file.close();
      }
    }
    await takePlace(temporary, folder);
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new ArgumentError(
      `embedded driver: cannot be unpacked into ${folder} (${reason});\n` +
        'set XDG_CACHE_HOME to a folder that can be written to',
      { cause },
    );
  } finally {
    await rm(temporary, { recursive: true, force: true }).catch(() => undefined);
  }
}

/** Another process may have been faster: its folder is as good. A folder that lacks files is replaced. */
async function takePlace(temporary: string, folder: string): Promise<void> {
  try {
    await rename(temporary, folder);
  } catch (cause) {
    if (isComplete(folder)) return;
    if (!existsSync(folder)) throw cause;
    await rm(folder, { recursive: true, force: true });
    await rename(temporary, folder);
  }
}

/**
 * Loads the driver's Vulkan loader into the process under its well-known name, so that Dawn finds it where the system has
 * none. May be called again.
 *
 * @throws NoAdapterError where the system's dynamic linker refuses it
 */
export function loadVulkanLoader({ loader }: EmbeddedDriver): void {
  const { RTLD_NOW, RTLD_GLOBAL } = constants.dlopen;
  try {
    process.dlopen({ exports: {} }, loader, RTLD_NOW | RTLD_GLOBAL | RTLD_NODELETE);
  } catch (cause) {
    // Node.js complains that the library is no add-on of its own, once it is loaded: that is all that was wanted.
    if (cause instanceof Error && cause.message.includes('did not self-register')) return;
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new NoAdapterError(`embedded driver: ${loader} cannot be loaded (${reason}); it needs Linux with glibc`, {
      cause,
    });
  }
}
