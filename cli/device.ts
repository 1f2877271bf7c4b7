import type { Device } from '../engine/device.js';
import { createDevice } from '../node/init.js';
import '../engine/ops/methods.js';
import { requestGpuAdapter, type AdapterChoice, type AdapterOptions } from '../node/adapter.js';
import { BulwarkError, type DeviceLostError } from '../engine/errors.js';

/** A device and how it was chosen. */
export interface OpenedDevice {
  readonly device: Device;
  readonly choice: AdapterChoice;
}

/** The device for `--adapter`. Throws a `NoAdapterError` where there is none. */
export async function openDevice(adapter: AdapterOptions['adapter']): Promise<OpenedDevice> {
  const { adapter: found, choice } = await requestGpuAdapter(adapter === undefined ? {} : { adapter });
  return { device: await createDevice(found), choice };
}

/** How many devices a run may lose. */
export const MOST_LOSSES = 3;

/** The device of a long run, in whose place a new one can be had when the driver loses it. */
export class RunDevice implements Disposable {
  readonly #adapter: AdapterOptions['adapter'];
  #opened: OpenedDevice;
  #losses = 0;

  private constructor(opened: OpenedDevice, adapter: AdapterOptions['adapter']) {
    this.#opened = opened;
    this.#adapter = adapter;
  }

  /** Throws a `NoAdapterError` where there is no adapter, and a `BulwarkError` where it does not compute. */
  static async open(adapter: AdapterOptions['adapter']): Promise<RunDevice> {
    return new RunDevice(await openComputingDevice(adapter), adapter);
  }

  /** How the device was chosen. */
  get choice(): AdapterChoice {
    return this.#opened.choice;
  }

  get device(): Device {
    return this.#opened.device;
  }

  /**
   * Puts a new device of the same adapter in the place of the lost one; gives the number of losses so far. Throws the loss itself where there
   * were {@link MOST_LOSSES} before.
   */
  async renew(loss: DeviceLostError): Promise<number> {
    if (this.#losses === MOST_LOSSES) throw loss;
    this.device.destroy();
    this.#opened = await openComputingDevice(this.#adapter);
    return ++this.#losses;
  }

  [Symbol.dispose](): void {
    this.device.destroy();
  }
}

/** A device whose kernels compute: the null backend only checks calls. */
export async function openComputingDevice(adapter: AdapterOptions['adapter']): Promise<OpenedDevice> {
  const opened = await openDevice(adapter);
  if (opened.choice.kind !== 'null') return opened;
  opened.device.destroy();
  throw new BulwarkError('adapter null computes nothing, so there is nothing to train or to evaluate; choose another');
}
