import { wrap, type Remote } from 'comlink';

/**
 * A room's worker: started when it is first asked for, and anew after it failed.
 *
 * @param start makes the worker
 * @param failed is told a sentence; what the worker knew is gone
 */
export function roomWorker<T>(start: () => Worker, failed: (sentence: string) => void): () => Remote<T> {
  let running: Remote<T> | undefined;
  return () => {
    if (running) return running;
    const thread = start();
    thread.addEventListener('error', ({ message }) => {
      thread.terminate();
      running = undefined;
      failed(`The worker of this room failed: ${message || 'it could not be loaded'}. Try again.`);
    });
    running = wrap<T>(thread);
    return running;
  };
}
