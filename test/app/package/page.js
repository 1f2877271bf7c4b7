/* global Worker */
import * as bulwark from 'bulwark';
import { prove } from './prove.js';

const { Device } = bulwark;

async function inPage() {
  const device = await Device.create(await globalThis.navigator.gpu.requestAdapter());
  return prove(bulwark, device);
}

async function inWorker() {
  const worker = new Worker(new URL('./worker.js', import.meta.url), { type: 'module' });
  return new Promise((resolve, reject) => {
    worker.onmessage = ({ data }) => resolve(data);
    worker.onerror = (event) => reject(new Error(event.message));
  });
}

async function onOwnDevice() {
  const gpu = await (await globalThis.navigator.gpu.requestAdapter()).requestDevice();
  const device = Device.wrap(gpu);
  const result = await prove(bulwark, device);
  // The application's own work goes on beside it.
  const buffer = gpu.createBuffer({ size: 16, usage: globalThis.GPUBufferUsage.COPY_DST });
  gpu.queue.writeBuffer(buffer, 0, new Float32Array(4));
  await gpu.queue.onSubmittedWorkDone();
  return result;
}

globalThis.proofs = { inPage, inWorker, onOwnDevice };
