/** The largest file of a model that is taken, in bytes: twenty times what the shipped network takes at its full width. */
export const LARGEST_MODEL = 48 * 2 ** 20;

/** What is said of a larger one. */
export function tooLarge(name: string, bytes: number): string {
  const mebi = (count: number): string => `${Math.ceil(count / 2 ** 20)} MiB`;
  return `${name}: has ${mebi(bytes)}; at most ${mebi(LARGEST_MODEL)} are taken.`;
}
