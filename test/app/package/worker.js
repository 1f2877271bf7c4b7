import * as bulwark from 'bulwark';
import { prove } from './prove.js';

globalThis.navigator.gpu
  .requestAdapter()
  .then((adapter) => bulwark.Device.create(adapter))
  .then((device) => prove(bulwark, device))
  .then((proof) => globalThis.postMessage(proof));
