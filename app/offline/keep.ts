import { signal } from '@preact/signals';

/** Puts a newer version of the page in place and loads it; undefined where there is none. */
export const update = signal<(() => void) | undefined>(undefined);

/** What the page says to its service worker. */
export type ToServiceWorker = 'which entry?' | 'take over';

/**
 * Has the browser keep this version of the page, so that it opens without a network. A newer one is fetched in the background, whole, and
 * announced in `update`. Where service workers are not to be had, nothing is kept.
 */
export async function keepForOffline(): Promise<void> {
  // Types know secure contexts only.
  const workers = navigator.serviceWorker as ServiceWorkerContainer | undefined;
  if (!workers) return;
  let reloading = false;
  workers.addEventListener('controllerchange', () => {
    if (reloading) location.reload();
    // Another page of this browser has put a newer version in place.
    else void isThisVersion(workers.controller).then((same) => same || (update.value = () => location.reload()));
  });
  const weigh = async (worker: ServiceWorker): Promise<void> => {
    // The page itself comes from the network where there is one: it may be the newer version already.
    if (await isThisVersion(worker)) tell(worker, 'take over');
    else {
      update.value = () => {
        reloading = true;
        tell(worker, 'take over');
      };
    }
  };
  const registration = await workers.register('sw.js').catch(() => undefined);
  if (!registration) return;
  const watch = (worker: ServiceWorker | null): void => {
    worker?.addEventListener('statechange', () => {
      // The first of all takes over by itself.
      if (worker.state === 'installed' && registration.active) void weigh(worker);
    });
  };
  watch(registration.installing);
  registration.addEventListener('updatefound', () => watch(registration.installing));
  if (registration.waiting) void weigh(registration.waiting);
  document.addEventListener('visibilitychange', () => {
    // Offline there is nothing to be found.
    if (document.visibilityState === 'visible') registration.update().catch(() => undefined);
  });
}

/** Whether a service worker keeps the version that this page is. */
async function isThisVersion(worker: ServiceWorker | null): Promise<boolean> {
  if (!worker) return true;
  const own = document.querySelector<HTMLScriptElement>('script[type=module]')?.src;
  return new Promise((resolve) => {
    const { port1, port2 } = new MessageChannel();
    port1.onmessage = ({ data }: MessageEvent<string>) => {
      port1.close();
      resolve(data === own);
    };
    tell(worker, 'which entry?', [port2]);
  });
}

function tell(worker: ServiceWorker, what: ToServiceWorker, transfer: Transferable[] = []): void {
  worker.postMessage(what, transfer);
}
