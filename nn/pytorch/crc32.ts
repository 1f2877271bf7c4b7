/** The CRC-32 of zip files (polynomial 0xedb88320, reflected). */

const TABLE = Uint32Array.from({ length: 256 }, (_, byte) => {
  let word = byte;
  for (let bit = 0; bit < 8; bit++) word = (word >>> 1) ^ (word & 1 ? 0xedb88320 : 0);
  return word;
});

/** The checksum of some bytes, from 0 to 2^32 - 1. */
export function crc32(bytes: Uint8Array): number {
  let word = 0xffffffff;
  for (let at = 0; at < bytes.length; at++) word = (word >>> 8) ^ (TABLE[(word ^ (bytes[at] ?? 0)) & 0xff] ?? 0);
  return (word ^ 0xffffffff) >>> 0;
}
