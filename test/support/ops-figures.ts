/**
 * `measure`: runs every op on the adapter that BULWARK_ADAPTER names and prints the figures. `page`: reads the figures of all
 * adapters from standard input and prints docs/ops.md. For scripts/ops-page.mjs.
 */
import { text } from 'node:stream/consumers';
import { opsPage, measureOps, type OpFigures } from './ops-page.js';
import { testDevice } from './device.js';

if (process.argv[2] === 'measure') {
  const device = await testDevice();
  process.stdout.write(JSON.stringify(await measureOps(device)));
  device.destroy();
} else {
  process.stdout.write(opsPage(JSON.parse(await text(process.stdin)) as Record<string, OpFigures[]>));
}
