import * as bulwark from 'bulwark';
import { requestGpuAdapter } from 'bulwark/node';
import { prove } from './prove.js';

const { adapter } = await requestGpuAdapter({ adapter: 'swiftshader' });
const device = await bulwark.Device.create(adapter);
console.log(JSON.stringify(await prove(bulwark, device)));
device.destroy();
