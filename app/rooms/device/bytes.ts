const UNITS = ['bytes', 'KiB', 'MiB', 'GiB', 'TiB'] as const;

/** Bytes in the largest unit that leaves at least 1, with up to three digits: `1.5 MiB`. */
export function formatBytes(bytes: number): string {
  const place = bytes < 1 ? 0 : Math.min(UNITS.length - 1, Math.floor(Math.log2(bytes) / 10));
  const value = bytes / 1024 ** place;
  return `${place === 0 ? value : Number(value.toPrecision(Math.max(3, Math.ceil(Math.log10(value + 1)))))} ${UNITS[place] ?? ''}`;
}
