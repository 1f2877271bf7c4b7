/**
 * PyTorch's files, as `torch.save` writes them: since version 1.6 a zip archive with the pickle `data.pkl` and a member `data/KEY`
 * per storage; before that, pickles and storages one after another (see `legacy.ts`).
 */
import { FormatError } from '../../engine/errors.js';
import { Budget } from './budget.js';
import { allowedGlobal } from './globals.js';
import { readLegacy } from './legacy.js';
import { isValue, readPickle, type PickleHooks } from './pickle.js';
import type { PyTorchCheckpoint } from './read.js';
import { isLegacy, isZip } from './signatures.js';
import { storageRequest } from './storages.js';
import { Storage } from './tensor.js';
import { shown, type PyTorchValue } from './value.js';
import { readZip, type ZipMember } from './zip.js';

/** The work of `readPyTorch`, which loads it when it is called. */
export async function readCheckpoint(bytes: Uint8Array, name: string): Promise<PyTorchCheckpoint> {
  const budget = new Budget(name, bytes.length);
  if (isZip(bytes)) return { name, format: 'zip', value: await readArchive(bytes, name, budget) };
  if (isLegacy(bytes)) return { name, format: 'legacy', value: readLegacy(bytes, name, budget) };
  const found = Array.from(bytes.subarray(0, 4), (byte) => byte.toString(16).padStart(2, '0')).join(' ');
  throw new FormatError(
    `${name}: is no file of torch.save; it begins with the bytes ${found || '(none)'}, such a file with 50 4b 03 04 or 80 02 8a 0a`,
  );
}

const PICKLE = 'data.pkl';

async function readArchive(bytes: Uint8Array, file: string, budget: Budget): Promise<PyTorchValue> {
  const members = await readZip(bytes, file, budget);
  const path = [...members.keys()].find((name) => name === PICKLE || name.endsWith(`/${PICKLE}`));
  const pickle = path === undefined ? undefined : members.get(path);
  if (path === undefined || !pickle) {
    throw new FormatError(`${file}: is a zip archive, but none of torch.save: it has no member ${PICKLE}`);
  }
  const folder = path.slice(0, -PICKLE.length);
  if (members.has(`${folder}constants.pkl`)) {
    throw new FormatError(`${file}: is a TorchScript program; save its state_dict() with torch.save instead`);
  }
  checkByteOrder(members.get(`${folder}byteorder`), file);
  const buffers = new Map<string, ArrayBuffer>();
  const hooks: PickleHooks = {
    global: (name) => allowedGlobal(name, budget),
    persistent: (id, fail) => {
      const { key, dtype, count, bytes: size } = storageRequest(id, fail);
      const member = members.get(`${folder}data/${key}`);
      if (!member) throw fail(`asks for the storage '${shown(key)}', which the archive does not have`);
      if (member.bytes.length !== size) {
        throw fail(`asks for ${size} bytes of the storage '${shown(key)}', which has ${member.bytes.length}`);
      }
      const buffer = buffers.get(key) ?? copyOf(member, budget);
      buffers.set(key, buffer);
      return new Storage(dtype, count, buffer);
    },
    place: (at) => `${file}: byte ${at} of its member '${shown(path)}'`,
  };
  const { value } = readPickle(pickle.bytes, 0, hooks);
  if (isValue(value)) return value;
  throw new FormatError(`${file}: what it holds is not made of values alone, but of classes or storages too`);
}

/** A storage's bytes, where typed arrays of every width may begin. */
function copyOf({ bytes }: ZipMember, budget: Budget): ArrayBuffer {
  budget.spend(bytes.length, 'a storage');
  return new Uint8Array(bytes).buffer;
}

function checkByteOrder(member: ZipMember | undefined, file: string): void {
  if (!member) return;
  const order = new TextDecoder().decode(member.bytes.subarray(0, 16));
  if (order !== 'little') throw new FormatError(`${file}: its byte order is '${shown(order)}'; expected little`);
}
