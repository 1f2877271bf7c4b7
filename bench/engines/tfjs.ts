/** TensorFlow.js on its WebGPU backend. Its best form is a `tidy` per repetition, read back only at the end. */
import type { KernelBackend } from '@tensorflow/tfjs-core';
import type { Tfjs, TfjsTensor, Work } from '../case.js';
import type { Contender } from '../contender.js';

/** The part of the WebGPU backend that submits what was recorded. */
interface WebGPUQueue {
  readonly queue: GPUQueue;
  ensureCommandEncoderReady(): void;
  endComputePassEncoder(): void;
  submitQueue(): void;
}

/** tfjs on `navigator.gpu`, with the gradients of all its ops. */
export async function loadTfjs(): Promise<Tfjs> {
  const tf = await import('@tensorflow/tfjs-core');
  await import('@tensorflow/tfjs-core/dist/register_all_gradients');
  await import('@tensorflow/tfjs-backend-webgpu');
  await tf.setBackend('webgpu');
  await tf.ready();
  return tf;
}

/** tfjs at a case. */
export function tfjsContender(tf: Tfjs, work: Work<TfjsTensor>): Contender {
  let results: readonly TfjsTensor[] = [];
  const forget = (): void => {
    for (const result of results) result.dispose();
    results = [];
  };
  return {
    name: 'tfjs',
    run: () => {
      forget();
      results = tf.tidy(() => [...work.run()]);
    },
    finish: async () => {
      const backend = tf.backend() as KernelBackend & WebGPUQueue;
      backend.ensureCommandEncoderReady();
      backend.endComputePassEncoder();
      backend.submitQueue();
      await backend.queue.onSubmittedWorkDone();
    },
    values: async () => {
      const common = tf.tidy(() => [...(work.toCommonLayout?.(results) ?? results)]);
      const values = await Promise.all(common.map(async (result) => Float32Array.from(await result.data())));
      if (work.toCommonLayout) for (const result of common) result.dispose();
      return values;
    },
    dispose: () => {
      forget();
      work.dispose();
    },
  };
}
