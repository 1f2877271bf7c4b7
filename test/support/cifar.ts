/** Pixels of a made-up image: every byte tells where it is. */
export function cifarPixel(example: number, place: number): number {
  return (example * 31 + place * 7 + (place >> 5)) & 255;
}

/** Records of CIFAR's binary version with these label bytes (one to a record of CIFAR-10, two of CIFAR-100). */
export function cifarRecords(labels: readonly (readonly number[])[], firstExample = 0): Uint8Array<ArrayBuffer> {
  return Uint8Array.from(
    labels.flatMap((bytes, index) => [
      ...bytes,
      ...Array.from({ length: 3072 }, (_, place) => cifarPixel(firstExample + index, place)),
    ]),
  );
}
