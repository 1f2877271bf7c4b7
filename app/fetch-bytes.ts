/**
 * A file that the page ships, by its path relative to the page. Workers are scripts in a folder of their own: they are handed the page's
 * address.
 *
 * @throws Error in a sentence where it cannot be had
 */
export async function fetchBytes(path: string, page = document.baseURI): Promise<Uint8Array<ArrayBuffer>> {
  const response = await fetch(new URL(path, page)).catch((cause: unknown) => {
    throw new Error(`${path} could not be loaded: the network failed, and it was not loaded before.`, { cause });
  });
  if (!response.ok) throw new Error(`${path} could not be loaded: the server says ${response.status}.`);
  return new Uint8Array(await response.arrayBuffer());
}
