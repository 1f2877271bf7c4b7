/**
 * An 8 x 8 JPEG of one grey value, 192 to 255, written from the description of the format (ITU T.81): one component, one block, whose
 * only coefficient is its mean.
 */
export function greyJpeg(value: number): Uint8Array<ArrayBuffer> {
  // Quantised by 8, the mean coefficient moves all pixels by as much from 128. Its category is 7: 64 to 127.
  const bits = `0${(value - 128).toString(2)}0`.padEnd(16, '1');
  const segment = (marker: number, bytes: readonly number[]) => [0xff, marker, 0, bytes.length + 2, ...bytes];
  const table = (kind: number, symbol: number) => segment(0xc4, [kind, 1, ...Array<number>(15).fill(0), symbol]);
  return Uint8Array.from([
    ...[0xff, 0xd8],
    ...segment(0xdb, [0, ...Array<number>(64).fill(8)]),
    ...segment(0xc0, [8, 0, 8, 0, 8, 1, 1, 0x11, 0]),
    ...table(0x00, 7),
    ...table(0x10, 0),
    ...segment(0xda, [1, 1, 0, 0, 63, 0]),
    ...[parseInt(bits.slice(0, 8), 2), parseInt(bits.slice(8), 2)],
    ...[0xff, 0xd9],
  ]);
}
