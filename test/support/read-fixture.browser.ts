/**
 * The bytes of a file in `test/fixtures/`, from the server of the tests. Tests are declared while their files load, so they need them at
 * once: by the one request that a page can wait for, which gives text only. That character set keeps each byte as a code of its own.
 */
export function readFixture(path: string): Uint8Array<ArrayBuffer> {
  const request = new XMLHttpRequest();
  request.open('GET', `/test/fixtures/${path}`, false);
  request.overrideMimeType('text/plain; charset=x-user-defined');
  request.send();
  if (request.status !== 200) throw new Error(`test/fixtures/${path}: the server says ${request.status}`);
  return Uint8Array.from(request.responseText, (character) => character.charCodeAt(0) & 0xff);
}
