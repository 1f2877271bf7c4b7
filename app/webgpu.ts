/** Why nothing can be computed here, in a sentence; undefined where there is an adapter. */
export async function adapterMissing(): Promise<string | undefined> {
  // Types know browsers with WebGPU only.
  const gpu = navigator.gpu as GPU | undefined;
  if (!gpu) return 'This browser has no WebGPU, or has it switched off.';
  const adapter = await gpu.requestAdapter().catch(() => null);
  return adapter ? undefined : 'This browser has WebGPU, but offers no adapter: no driver that it trusts.';
}
