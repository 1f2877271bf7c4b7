import { signal } from '@preact/signals';
import { sentenceOf } from './sentence.js';

/** Why nothing can be computed here. */
export interface Lack {
  /** `insecure`: the page came over plain HTTP. `unsupported`: no WebGPU. `adapter`: WebGPU, but nothing that it would compute on. */
  readonly kind: 'insecure' | 'unsupported' | 'adapter';
  /** In a sentence. */
  readonly reason: string;
}

/** Why nothing can be computed here; undefined where there is an adapter, and before one was looked for. */
export const lack = signal<Lack | undefined>(undefined);

/** Looks for an adapter, at the start and again when one was lost; says in `lack` what came of it. */
export async function lookForAdapter(): Promise<void> {
  lack.value = await findLack();
}

async function findLack(): Promise<Lack | undefined> {
  // Types know browsers with WebGPU only.
  const gpu = navigator.gpu as GPU | undefined;
  if (!gpu) {
    return isSecureContext
      ? { kind: 'unsupported', reason: 'This browser has no WebGPU, or has it switched off.' }
      : { kind: 'insecure', reason: 'This page came over plain HTTP, where browsers offer no WebGPU.' };
  }
  const without = 'This browser has WebGPU, but offers no adapter';
  try {
    const adapter = await gpu.requestAdapter({ powerPreference: 'high-performance' });
    return adapter ? undefined : { kind: 'adapter', reason: `${without}: no graphics driver that it trusts.` };
  } catch (error) {
    return { kind: 'adapter', reason: `${without}: ${sentenceOf(error)}` };
  }
}
