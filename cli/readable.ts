/**
 * A text with its long decimals as people write them: 8/255 for 0.03137254901960784, four significant digits of others. Decimals within
 * paths and names stay.
 */
export function readable(text: string): string {
  return text.replace(/(?<![\w./-])\d\.\d{5,}(?:e-\d+)?(?![\w/-])/g, (digits) => {
    const value = Number(digits);
    const levels = Math.round(value * 255);
    // A third is 85 levels, but not meant as such; 1e-12 is no level.
    const isLevel = levels > 0 && levels <= 64 && Math.abs(value * 255 - levels) < 1e-9;
    return isLevel ? `${levels}/255` : String(Number(value.toPrecision(4)));
  });
}

/** Digits of a hash that tell it from others. */
const DIGITS = 12;

/** Settings to be laid side by side, with short hashes and numbers; as they are, where that would make different ones alike. */
export function readableSettings(values: readonly string[]): string[] {
  const short = values.map((value) => (/^[0-9a-f]{64}$/.test(value) ? value.slice(0, DIGITS) : readable(value)));
  return new Set(short).size === new Set(values).size ? short : [...values];
}
