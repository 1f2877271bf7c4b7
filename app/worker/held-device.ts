import type { Device } from '../../engine/device.js';
import { DeviceLostError } from '../../engine/errors.js';

/**
 * A worker's one device: opened when it is first needed, used by one piece of work at a time, and opened anew where it was lost.
 */
export class HeldDevice<D = Device> {
  #opened: Promise<D> | undefined;
  #last: Promise<unknown> = Promise.resolve();

  /** @param open what opens a device */
  constructor(readonly open: () => Promise<D>) {}

  /**
   * Does some work, after all that was asked for before. Where the device is lost on the way, the work is done once more, on a new one.
   *
   * @throws Error in a sentence where the new one is lost as well; and whatever the work throws
   */
  use<T>(work: (device: D) => Promise<T>): Promise<T> {
    const turn = this.#last.then(() => this.#tried(work));
    this.#last = turn.catch(() => undefined);
    return turn;
  }

  async #tried<T>(work: (device: D) => Promise<T>): Promise<T> {
    try {
      return await work(await this.#device());
    } catch (error) {
      if (!(error instanceof DeviceLostError)) throw error;
    }
    this.#opened = undefined;
    try {
      return await work(await this.#device());
    } catch (cause) {
      if (!(cause instanceof DeviceLostError)) throw cause;
      this.#opened = undefined;
      throw new Error('The graphics device was lost, and lost again when opened anew: load the page again.', { cause });
    }
  }

  async #device(): Promise<D> {
    this.#opened ??= this.open();
    try {
      return await this.#opened;
    } catch (error) {
      // The next piece of work tries again.
      this.#opened = undefined;
      throw error;
    }
  }
}
