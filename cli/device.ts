import type { Device } from '../engine/device.js';
import { createDevice } from '../node/init.js';
import '../engine/ops/methods.js';
import { requestGpuAdapter, type AdapterChoice, type AdapterOptions } from '../node/adapter.js';
import { BulwarkError, DeviceLostError } from '../engine/errors.js';

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
const MOST_LOSSES = 3;

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
   * Does some work, and where the device is lost in it, does it again on a new one of the same adapter, until there were
   * {@link MOST_LOSSES} losses in all: the next one is thrown.
   *
   * @param options.from from where the work then goes on, in words
   * @param options.warn is told of each loss
   */
  async surviving<T>(
    work: (again: boolean) => Promise<T>,
    { from, warn }: { readonly from: () => Promise<string> | string; readonly warn: (warning: string) => void },
  ): Promise<T> {
    for (let again = false; ; again = true) {
      try {
        return await work(again);
      } catch (error) {
        if (!(error instanceof DeviceLostError)) throw error;
        const place = await from();
        if (this.#losses === MOST_LOSSES) throw error;
        this.device.destroy();
        this.#opened = await openComputingDevice(this.#adapter);
        this.#losses++;
        warn(`${error.message}; going on ${place} on a new device (loss ${this.#losses} of ${MOST_LOSSES})`);
      }
    }
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
