/** The browser's adapter. */
export function testAdapter(): Promise<GPUAdapter | null> {
  return navigator.gpu.requestAdapter();
}
