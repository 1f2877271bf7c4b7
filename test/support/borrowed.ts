/** Pipelines stay, so that Dawn knows the text of the next one that is made. */
const compiled: unknown[] = [];

/** A GPUDevice that several use, as one of them has it: where that one destroys it, its buffers are freed, and it is lost to that one only. */
export function borrowed(gpu: GPUDevice): GPUDevice {
  const buffers: GPUBuffer[] = [];
  const listening: Parameters<GPUDevice['addEventListener']>[] = [];
  let lose: (info: GPUDeviceLostInfo) => void = () => undefined;
  const lost = new Promise<GPUDeviceLostInfo>((resolve) => {
    lose = resolve;
  });
  const own: Partial<GPUDevice> = {
    lost: Promise.race([gpu.lost, lost]),
    createBuffer(descriptor) {
      const buffer = gpu.createBuffer(descriptor);
      buffers.push(buffer);
      return buffer;
    },
    createComputePipeline(descriptor) {
      const pipeline = gpu.createComputePipeline(descriptor);
      compiled.push([pipeline, descriptor]);
      return pipeline;
    },
    addEventListener(...listener: Parameters<GPUDevice['addEventListener']>) {
      listening.push(listener);
      gpu.addEventListener(...listener);
    },
    destroy() {
      for (const listener of listening) gpu.removeEventListener(...listener);
      for (const buffer of buffers) buffer.destroy();
      lose({ reason: 'destroyed', message: 'it was given back' } as GPUDeviceLostInfo);
    },
  };
  return new Proxy(gpu, {
    get(target, name) {
      if (name in own) return Reflect.get(own, name) as unknown;
      const value = Reflect.get(target, name, target) as unknown;
      return typeof value === 'function' ? (value.bind(target) as unknown) : value;
    },
  });
}
