import type { Browser, Engine, Platform } from './browser.js';

/** Where WebGPU is switched on by default. */
export interface Support {
  readonly engine: Engine;
  readonly platforms: readonly Platform[];
  readonly browsers: string;
  readonly on: string;
  /** The first major version of a stable release; undefined where there is none yet. */
  readonly since: number | undefined;
  /** Conditions beside the version. */
  readonly note?: string;
}

/** The state of spring 2026; source: the page "Implementation Status" of gpuweb's wiki, and MDN's compatibility data. */
export const SUPPORT: readonly Support[] = [
  {
    ...{ engine: 'chromium', platforms: ['windows'], browsers: 'Chrome, Edge', on: 'Windows', since: 113 },
    note: 'x86 processors; on ARM behind a flag',
  },
  { engine: 'chromium', platforms: ['macos'], browsers: 'Chrome, Edge', on: 'macOS', since: 113 },
  { engine: 'chromium', platforms: ['chromeos'], browsers: 'Chrome', on: 'ChromeOS', since: 113 },
  {
    ...{ engine: 'chromium', platforms: ['android'], browsers: 'Chrome, Edge', on: 'Android', since: 121 },
    note: 'Android 12 or newer with a GPU of ARM, Qualcomm or Intel; since 139 also Imagination on Android 16',
  },
  {
    ...{ engine: 'chromium', platforms: ['linux'], browsers: 'Chrome, Edge', on: 'Linux', since: 144 },
    note: 'Intel GPUs of generation 12 or newer; since 147 also NVIDIA with driver 535.183.01 or newer; others behind a flag',
  },
  { engine: 'firefox', platforms: ['windows'], browsers: 'Firefox', on: 'Windows', since: 141 },
  {
    ...{ engine: 'firefox', platforms: ['macos'], browsers: 'Firefox', on: 'macOS', since: 145 },
    note: 'Apple silicon; before 147 with macOS 26 only',
  },
  {
    ...{
      engine: 'firefox',
      platforms: ['linux', 'android'],
      browsers: 'Firefox',
      on: 'Linux, Android',
      since: undefined,
    },
    note: 'in Nightly, or behind a setting',
  },
  { engine: 'webkit', platforms: ['macos'], browsers: 'Safari', on: 'macOS', since: 26, note: 'macOS 26 or newer' },
  {
    ...{ engine: 'webkit', platforms: ['ios'], browsers: 'all browsers', on: 'iPhone, iPad', since: 26 },
    note: 'iOS 26 or iPadOS 26 or newer: every browser there is Safari underneath',
  },
];

/** The line of the table that a browser is in. */
export function supportOf({ engine, platform }: Browser): Support | undefined {
  return SUPPORT.find((line) => line.engine === engine && line.platforms.includes(platform));
}
