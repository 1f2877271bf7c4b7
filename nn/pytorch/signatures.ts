/** How files of `torch.save` begin. */

/** The pickled number 0x1950a86a20f9469cfc6c, behind the protocol and, since protocol 4, the frame of its pickle. */
const MAGIC = [0x8a, 0x0a, 0x6c, 0xfc, 0x9c, 0x46, 0xf9, 0x20, 0x6a, 0xa8, 0x50, 0x19, 0x2e];
const [PROTO, FRAME] = [0x80, 0x95];

/** Whether the bytes begin as a zip archive with members does: since PyTorch 1.6. */
export function isZip(bytes: Uint8Array): boolean {
  return bytes[0] === 0x50 && bytes[1] === 0x4b && bytes[2] === 3 && bytes[3] === 4;
}

/** Whether bytes begin as a file from before PyTorch 1.6 does. */
export function isLegacy(bytes: Uint8Array): boolean {
  const start = magicStart(bytes);
  return bytes[0] === PROTO && MAGIC.every((byte, at) => bytes[start + at] === byte);
}

/** Where the second pickle of a file from before PyTorch 1.6 begins, behind that of the magic number. */
export function secondPickle(bytes: Uint8Array): number {
  return magicStart(bytes) + MAGIC.length;
}

function magicStart(bytes: Uint8Array): number {
  return bytes[2] === FRAME ? 11 : 2;
}
