/** jax-js: WebGPU kernels compiled from traced functions. Its best form is `jit`. */
import type { Jax, JaxArray, Work } from '../case.js';
import type { Contender } from '../contender.js';

/** jax-js on `navigator.gpu`, all arrays on the GPU. */
export async function loadJax(): Promise<Jax> {
  const jax = await import('@jax-js/jax');
  await jax.init('webgpu');
  jax.defaultDevice('webgpu');
  return jax;
}

/** jax-js at a case. */
export function jaxContender(jax: Jax, work: Work<JaxArray>): Contender {
  let results: readonly JaxArray[] = [];
  const forget = (): void => {
    for (const result of results) result.dispose();
    results = [];
  };
  return {
    name: 'jax-js',
    run: () => {
      forget();
      results = work.run();
      // Work is put off until its results are wanted, and left out where they never are: this has it done.
      for (const result of results) result.ref.gpuBufferSync();
    },
    finish: async () => {
      await jax.blockUntilReady([...results]);
    },
    // `data` takes the array with it.
    values: () =>
      Promise.all(results.map(async (result) => Float32Array.from((await result.ref.data()) as Float32Array))),
    dispose: () => {
      forget();
      work.dispose();
    },
  };
}
