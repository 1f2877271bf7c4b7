import type { Device } from '../../engine/device.js';
import { DeviceLostError } from '../../engine/errors.js';

/**
 * A worker's one device: opened when it is first needed, used by one piece of work at a time, and opened anew where it was lost.
 */
export class HeldDevice<D = Device> {
  #opened: Promise<D> | undefined;
  #last: Promise<unknown> = Promise.resolve();

  /**
   * @param open what opens a device
   * @param losses how many devices may be lost in one piece of work
   */
  constructor(
    readonly open: () => Promise<D>,
    readonly losses = 1,
  ) {}

  /**
   * Does some work, after all that was asked for before. Where the device is lost on the way, the work is done once more, on a new one.
   *
   * @throws Error in a sentence where too many are lost; and whatever the work throws
   */
  use<T>(work: (device: D) => Promise<T>): Promise<T> {
    const turn = this.#last.then(() => this.#tried(work));
    this.#last = turn.catch(() => undefined);
    return turn;
  }

  async #tried<T>(work: (device: D) => Promise<T>): Promise<T> {
    for (let lost = 0; ;) {
      try {
        return await work(await this.#device());
      } catch (cause) {
        if (!(cause instanceof DeviceLostError)) throw cause;
        this.#opened = undefined;
        if (++lost <= this.losses) continue;
        throw new Error('The graphics device was lost, and lost again when opened anew: load the page again.', {
          cause,
        });
      }
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
