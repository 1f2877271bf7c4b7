import * as bulwark from 'bulwark';
import { prove } from './prove.js';

const device = await bulwark.Device.create(await globalThis.navigator.gpu.requestAdapter());
globalThis.postMessage(await prove(bulwark, device));
