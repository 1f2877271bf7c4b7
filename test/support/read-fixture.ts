import { readFileSync } from 'node:fs';

const FIXTURES = new URL('../fixtures/', import.meta.url);

/** The bytes of a file in `test/fixtures/`. In a browser, `read-fixture.browser.ts` takes this file's place. */
export function readFixture(path: string): Uint8Array<ArrayBuffer> {
  // A copy, so that typed views start at an aligned offset whatever the pool behind Node's Buffer is.
  return new Uint8Array(readFileSync(new URL(path, FIXTURES)));
}
