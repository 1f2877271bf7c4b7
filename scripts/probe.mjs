/**
 * Prints, as one line of JSON, which adapter the built library chooses here ({"choice"}) or why it has none ({"error"}).
 * A process of its own, so that a driver that crashes takes nothing with it. Usage: node scripts/probe.mjs [adapter]
 */
import process from 'node:process';
import { requestGpuAdapter } from '../dist/node.js';

const [adapter] = process.argv.slice(2);
try {
  const { adapter: found, choice } = await requestGpuAdapter(adapter === undefined ? {} : { adapter });
  // A driver may offer an adapter and still fail to make a device.
  const device = await found.requestDevice();
  device.destroy();
  console.log(JSON.stringify({ choice }));
} catch (error) {
  console.log(JSON.stringify({ error: error instanceof Error ? error.message : String(error) }));
}
