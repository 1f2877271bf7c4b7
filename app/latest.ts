/**
 * Runs one task at a time, and of those that came meanwhile only the last: for what follows a slider. `settled` is told each result, in
 * order, and an error as what was thrown.
 */
export class Latest<T> {
  #running = false;
  #next: (() => Promise<T>) | undefined;

  constructor(
    private readonly settled: (result: T) => void,
    private readonly failed: (error: unknown) => void,
  ) {}

  /** Whether something is running. */
  get busy(): boolean {
    return this.#running;
  }

  run(task: () => Promise<T>): void {
    this.#next = task;
    if (!this.#running) void this.#drain();
  }

  async #drain(): Promise<void> {
    this.#running = true;
    for (let task = this.#next; task; task = this.#next) {
      this.#next = undefined;
      try {
        this.settled(await task());
      } catch (error) {
        this.failed(error);
      }
    }
    this.#running = false;
  }
}
