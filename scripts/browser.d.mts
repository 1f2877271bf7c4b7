import type { LaunchOptions } from 'playwright';

export function findBrowser(): Pick<LaunchOptions, 'executablePath' | 'channel' | 'args'> & {
  readonly env?: Record<string, string>;
};
export function browserFault(): Promise<string | undefined>;
