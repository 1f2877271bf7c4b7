import { FormatError } from '../../engine/errors.js';

/** What a small file may unpack to in any case, in bytes. */
const LEAST = 64 * 2 ** 20;

/** How many times its own size a larger file may unpack to. */
const FACTOR = 16;

/** Counts the memory that reading a file takes, so that a hostile one cannot ask for more than a sane one needs. */
export class Budget {
  readonly limit: number;
  #spent = 0;

  constructor(
    private readonly file: string,
    fileBytes: number,
  ) {
    this.limit = Math.max(LEAST, FACTOR * fileBytes);
  }

  /**
   * Notes `bytes` that `what` (such as `member 'data/0'`) is about to take.
   *
   * @throws FormatError where that is too much altogether
   */
  spend(bytes: number, what: string): void {
    this.#spent += bytes;
    if (this.#spent <= this.limit) return;
    throw new FormatError(
      `${this.file}: ${what} would bring what is unpacked to ${this.#spent} bytes; at most ${this.limit} are taken from a file of this size`,
    );
  }
}
