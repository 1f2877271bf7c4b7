/**
 * The choice of a WebGPU adapter in Node.js, where Dawn (npm package `webgpu`) runs on whatever Vulkan, Metal or Direct3D
 * driver there is. On Linux the choice is among Vulkan drivers, in this order: a real GPU's, an installed software driver
 * that Dawn accepts, the embedded SwiftShader. Nothing is ever installed from here.
 */
import { existsSync, readdirSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, delimiter, join } from 'node:path';
import { ArgumentError, NoAdapterError } from '../engine/errors.js';
import { DRIVER_PACKAGE, findDriverArchive, loadVulkanLoader, unpackDriver } from './embedded-driver.js';
import { restWhileWaiting, type DawnClasses } from './rest-while-waiting.js';

/** What an adapter can be: a GPU, one of two drivers that compute on the CPU, or one that computes nothing. */
export type AdapterKind = 'gpu' | 'lavapipe' | 'swiftshader' | 'null';

/** Names that `BULWARK_ADAPTER` and {@link AdapterOptions} take. */
export const ADAPTER_NAMES = ['auto', 'gpu', 'lavapipe', 'swiftshader', 'null'] as const;

/** How to choose. */
export interface AdapterOptions {
  /** Which adapter to take; without it, what `BULWARK_ADAPTER` says, or else `auto`: the fastest that there is. */
  readonly adapter?: 'auto' | AdapterKind;
  /** Where the embedded driver is unpacked; by default `$XDG_CACHE_HOME/bulwark` or `~/.cache/bulwark`. */
  readonly cache?: string;
}

/** What was chosen, and why. */
export interface AdapterChoice {
  readonly kind: AdapterKind;
  /** The driver's own description. */
  readonly driver: string;
  readonly reason: string;
  /** How to get a faster one, where there may be one. */
  readonly faster?: string;
}

/** An adapter, good for one device, and the story of its choice. */
export interface ChosenAdapter {
  readonly adapter: GPUAdapter;
  readonly choice: AdapterChoice;
}

const FASTER_THAN_LAVAPIPE = 'a GPU with a Vulkan driver';
const INSTALL_LAVAPIPE =
  'Debian 13: apt-get install mesa-vulkan-drivers libvulkan1; Debian 12: the same with -t bookworm-backports';
const FASTER_THAN_EMBEDDED = `Mesa's lavapipe, several times faster (${INSTALL_LAVAPIPE}), or a GPU with a Vulkan driver`;

/**
 * An adapter for {@link AdapterOptions.adapter}. Choosing leaves the process as it was, so it may be done again, for the same
 * or for another adapter.
 *
 * @throws NoAdapterError where there is none (of that kind), saying what would help; ArgumentError for an unknown name
 */
export async function requestGpuAdapter(options: AdapterOptions = {}): Promise<ChosenAdapter> {
  const wanted = options.adapter ?? adapterFromEnvironment();
  // One choice at a time: the Vulkan loader reads which drivers to look at from the environment.
  const result = turn.then(() => choose(wanted, options));
  turn = result.catch(() => undefined);
  return result;
}

let turn: Promise<unknown> = Promise.resolve();

function adapterFromEnvironment(): 'auto' | AdapterKind {
  const name = process.env['BULWARK_ADAPTER'] ?? '';
  if (name === '') return 'auto';
  const known = ADAPTER_NAMES.find((candidate) => candidate === name);
  if (known === undefined) {
    throw new ArgumentError(`BULWARK_ADAPTER: unknown adapter '${name}'; it takes ${ADAPTER_NAMES.join(', ')}`);
  }
  return known;
}

async function choose(wanted: 'auto' | AdapterKind, options: AdapterOptions): Promise<ChosenAdapter> {
  switch (wanted) {
    case 'auto':
      return chooseFastest(options);
    case 'gpu':
      return chooseGpu();
    case 'lavapipe':
      return chooseLavapipe();
    case 'swiftshader':
      return chooseEmbedded('asked for', options);
    case 'null':
      return chooseNull();
    default:
      return wanted satisfies never;
  }
}

async function chooseFastest(options: AdapterOptions): Promise<ChosenAdapter> {
  const installed = await requestInstalled();
  if (installed) return describe(installed, 'the best driver installed');
  if (process.platform !== 'linux')
    throw new NoAdapterError(`no WebGPU adapter: ${process.platform} offers no GPU to Dawn`);
  const why =
    installedDrivers().length > 0 ? 'Dawn accepts no installed Vulkan driver' : 'no Vulkan driver is installed';
  return chooseEmbedded(why, options);
}

async function chooseGpu(): Promise<ChosenAdapter> {
  const adapter = await requestInstalled();
  if (!adapter || isSoftware(adapter)) {
    throw new NoAdapterError(
      'adapter gpu: no GPU with a driver that Dawn accepts;\n' +
        'install its Vulkan driver (vulkaninfo --summary lists what there is), or use BULWARK_ADAPTER=auto',
    );
  }
  return describe(adapter, 'asked for');
}

async function chooseLavapipe(): Promise<ChosenAdapter> {
  const files = [...listedDrivers(), ...systemDrivers()].filter((path) => basename(path).startsWith('lvp_icd'));
  const adapter = files.length > 0 ? await request([], [...new Set(files)]) : null;
  if (!adapter) {
    const found =
      files.length > 0 ? "Dawn refuses the one that is installed (Debian 12's Mesa 22.3 is too old)" : 'not installed';
    throw new NoAdapterError(`adapter lavapipe: ${found};\n${INSTALL_LAVAPIPE}`);
  }
  return describe(adapter, 'asked for');
}

async function chooseEmbedded(reason: string, options: AdapterOptions): Promise<ChosenAdapter> {
  const archive = findDriverArchive();
  if (archive === undefined) {
    throw new NoAdapterError(
      `no WebGPU adapter: ${reason}, and there is no embedded one (Linux on x86-64 with npm package ${DRIVER_PACKAGE});\n` +
        `run 'npm install ${DRIVER_PACKAGE}@147.0.0', or install ${FASTER_THAN_EMBEDDED}`,
    );
  }
  const driver = await unpackDriver(archive, options.cache);
  loadVulkanLoader(driver);
  const adapter = await request([], [driver.icd]);
  if (!adapter)
    throw new NoAdapterError(`no WebGPU adapter: ${reason}, and Dawn refuses the embedded driver ${driver.icd}`);
  return describe(adapter, reason);
}

async function chooseNull(): Promise<ChosenAdapter> {
  const adapter = await request(['backend=null']);
  if (!adapter)
    throw new NoAdapterError("no WebGPU adapter: this build of Dawn has no null backend; install 'webgpu' 0.6.2");
  const choice = {
    kind: 'null',
    driver: "Dawn's null backend",
    reason: 'asked for; it checks calls and computes nothing',
  } as const;
  return { adapter, choice };
}

function describe(adapter: GPUAdapter, reason: string): ChosenAdapter {
  const { description, vendor, architecture } = adapter.info;
  const driver = description || [vendor, architecture].filter(Boolean).join(' ') || 'unknown driver';
  if (!isSoftware(adapter)) return { adapter, choice: { kind: 'gpu', driver, reason } };
  if (architecture === 'swiftshader') {
    return { adapter, choice: { kind: 'swiftshader', driver, reason, faster: FASTER_THAN_EMBEDDED } };
  }
  return { adapter, choice: { kind: 'lavapipe', driver, reason, faster: FASTER_THAN_LAVAPIPE } };
}

function isSoftware({ info }: GPUAdapter): boolean {
  return info.isFallbackAdapter || info.architecture === 'swiftshader' || info.architecture === 'software';
}

/** What the system offers of itself, GPUs first. Where no Vulkan driver is installed Dawn is spared its complaints. */
async function requestInstalled(): Promise<GPUAdapter | null> {
  if (process.platform === 'linux' && installedDrivers().length === 0) return null;
  return request([]);
}

/** Dawn instances that gave an adapter. They live on: an adapter or a device does not keep its instance alive. */
const instances = new Map<string, GPU>();

/** An adapter from Dawn, which is shown only the given Vulkan drivers, where any are given. */
async function request(flags: string[], drivers: readonly string[] = []): Promise<GPUAdapter | null> {
  const dawn = await importDawn();
  const only = drivers.join(delimiter);
  const restore = setEnvironment({
    // Mesa complains where this is unset.
    XDG_RUNTIME_DIR: process.env['XDG_RUNTIME_DIR'] ?? tmpdir(),
    ...(only !== '' && { VK_ICD_FILENAMES: only, VK_DRIVER_FILES: only }),
  });
  try {
    const key = JSON.stringify([flags, listedDrivers()]);
    const gpu = instances.get(key) ?? dawn.create(flags);
    const adapter = await gpu.requestAdapter({ powerPreference: 'high-performance' });
    if (!adapter) return null;
    instances.set(key, gpu);
    if (isSoftware(adapter)) restWhileWaiting(dawn.globals as DawnClasses);
    return adapter;
  } finally {
    restore();
  }
}

async function importDawn(): Promise<{ create(flags: string[]): GPU; readonly globals: object }> {
  try {
    return await import('webgpu');
  } catch (cause) {
    const missing = cause instanceof Error && 'code' in cause && cause.code === 'ERR_MODULE_NOT_FOUND';
    const reason = cause instanceof Error ? (cause.message.split('\n')[0] ?? '') : String(cause);
    throw new NoAdapterError(
      missing
        ? "no WebGPU in Node.js: npm package 'webgpu' is not installed; run 'npm install webgpu@0.6.2'"
        : `no WebGPU in Node.js: npm package 'webgpu' cannot be loaded on ${process.platform} ${process.arch} (${reason})`,
      { cause },
    );
  }
}

/** Sets variables, and returns what sets them back. */
function setEnvironment(variables: Readonly<Record<string, string>>): () => void {
  const before = Object.keys(variables).map((name) => [name, process.env[name]] as const);
  Object.assign(process.env, variables);
  return () => {
    for (const [name, old] of before) {
      if (old === undefined) Reflect.deleteProperty(process.env, name);
      else process.env[name] = old;
    }
  };
}

/** The files that name Vulkan drivers to the loader: those that the user's environment lists, or else the system's. */
function installedDrivers(): string[] {
  const listed = listedDrivers();
  return listed.length > 0 ? listed : systemDrivers();
}

/** `VK_DRIVER_FILES` is the new name of `VK_ICD_FILENAMES`, and beats it. */
function listedDrivers(): string[] {
  const { VK_ICD_FILENAMES = '', VK_DRIVER_FILES = VK_ICD_FILENAMES } = process.env;
  return VK_DRIVER_FILES.split(delimiter).filter((path) => path !== '' && existsSync(path));
}

function systemDrivers(): string[] {
  return driverFolders().flatMap((folder) => {
    try {
      return readdirSync(folder)
        .filter((name) => name.endsWith('.json'))
        .map((name) => join(folder, name));
    } catch {
      return [];
    }
  });
}

/** Where the Vulkan loader looks for drivers on Linux. */
function driverFolders(): string[] {
  const {
    HOME = '',
    XDG_DATA_HOME = join(HOME, '.local', 'share'),
    XDG_DATA_DIRS = '/usr/local/share:/usr/share',
  } = process.env;
  const data = [XDG_DATA_HOME, '/etc', '/usr/local/etc', ...XDG_DATA_DIRS.split(delimiter)];
  return [...new Set(data.filter((folder) => folder !== ''))].map((folder) => join(folder, 'vulkan', 'icd.d'));
}
