/** The work of the room Attack: a worker with a device of its own, on which models are attacked. */
import { expose } from 'comlink';
import { shippedMnist } from '../../shipped-mnist.js';
import { HeldDevice } from '../../worker/held-device.js';
import { ModelShelf } from '../../worker/model-shelf.js';
import { openDevice } from '../../worker/open-device.js';
import { attackDigit } from './attack-digit.js';
import type { AttackRequest, Outcome } from './attacks.js';
import { decodePicture } from './decode-picture.js';
import { firstOfEach, type ShippedDigit } from './first-of-each.js';

const held = new HeldDevice(openDevice);
const shelf = new ModelShelf();

const worker = {
  /** The first image of each digit of the test set, 0 to 9. `page` is the page's address. */
  digits: async (page: string): Promise<readonly ShippedDigit[]> => firstOfEach(await shippedMnist('test', page)),

  /** Takes a model, so that it can be attacked by its title; throws as `ModelShelf.add` does. */
  addModel: (title: string, bytes: Uint8Array): Promise<void> =>
    held.use((device) => {
      shelf.add(title, bytes, device);
      return Promise.resolve();
    }),

  /** Attacks models by their titles, one after another. */
  attack: (titles: readonly string[], request: AttackRequest): Promise<readonly Outcome[]> =>
    held.use(async (device) => {
      const outcomes: Outcome[] = [];
      for (const title of titles) outcomes.push(await attackDigit(shelf.model(title, device), device, request));
      return outcomes;
    }),

  /** A picture as MNIST has it; throws in a sentence where it is none. */
  picture: decodePicture,
};

/** What the room's page calls. */
export type AttackWorker = typeof worker;

expose(worker);
