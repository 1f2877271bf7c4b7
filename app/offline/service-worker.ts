/**
 * Keeps one version of the page, whole, so that it opens without a network. Files whose names have a hash of their contents are never asked
 * for twice; the page itself, its models and its data come from the network where there is one. The list of files is filled in when the
 * page is built: see app/build/offline.ts.
 */
import type { ToServiceWorker } from './keep.js';

/** What is kept, relative to the page; the script that the page begins with; and a digest of all. */
interface Version {
  readonly files: readonly string[];
  readonly entry: string;
  readonly digest: string;
}

declare const VERSION: Version;

// What service workers have and TypeScript's types for pages do not.
interface LifetimeEvent extends Event {
  waitUntil(work: Promise<unknown>): void;
}
interface RequestEvent extends LifetimeEvent {
  readonly request: Request;
  respondWith(response: Promise<Response>): void;
}
declare const clients: { claim(): Promise<void> };
declare const registration: ServiceWorkerRegistration;
declare function skipWaiting(): Promise<void>;

// Other pages of the same server may keep things too, another playground among them.
const OURS = `bulwark ${registration.scope} `;
const CACHE = OURS + VERSION.digest;
const PAGE = new URL('./', registration.scope).href;
const ENTRY = new URL(VERSION.entry, registration.scope).href;

const isHashed = (url: string): boolean => url.startsWith(`${PAGE}assets/`);

addEventListener('install', (event) => (event as LifetimeEvent).waitUntil(keepAll()));

/** Fails, and so leaves the version before in place, where a file cannot be had or belongs to another version. */
async function keepAll(): Promise<void> {
  const cache = await caches.open(CACHE);
  await Promise.all(
    VERSION.files.map(async (file) => {
      const url = new URL(file, registration.scope).href;
      const before = isHashed(url) ? await caches.match(url, { ignoreVary: true }) : undefined;
      const response = before ?? (await fetch(url, { cache: isHashed(url) ? 'default' : 'no-cache' }));
      if (!response.ok) throw new Error(`${url}: the server says ${response.status}`);
      if (url === PAGE && !(await response.clone().text()).includes(VERSION.entry)) {
        throw new Error(`${url} is of another version`);
      }
      await cache.put(url, response);
    }),
  );
}

addEventListener('activate', (event) => (event as LifetimeEvent).waitUntil(begin()));

async function begin(): Promise<void> {
  const names = await caches.keys();
  await Promise.all(names.filter((name) => name.startsWith(OURS) && name !== CACHE).map((name) => caches.delete(name)));
  await clients.claim();
}

addEventListener('message', (event) => {
  switch (event.data as ToServiceWorker) {
    case 'which entry?':
      event.ports[0]?.postMessage(ENTRY);
      break;
    case 'take over':
      void skipWaiting();
  }
});

addEventListener('fetch', (event) => {
  const asked = event as RequestEvent;
  const { method, url } = asked.request;
  const file = url.replace(/[?#].*$/, '').replace(/\/index\.html$/, '/');
  if (method === 'GET' && file.startsWith(PAGE)) asked.respondWith(answer(asked.request, file));
});

async function answer(request: Request, url: string): Promise<Response> {
  const cache = await caches.open(CACHE);
  const kept = await cache.match(url, { ignoreVary: true });
  if (!isHashed(url)) {
    // What comes now may be of a newer version than what is kept: it is handed on, and the kept ones stay together.
    return fetch(request.mode === 'navigate' ? request : new Request(request, { cache: 'no-cache' })).catch(
      () => kept ?? Response.error(),
    );
  }
  if (kept) return kept;
  // What only benchmarks against other libraries need is kept once it was needed.
  const response = await fetch(request);
  if (response.ok) await cache.put(url, response.clone());
  return response;
}
