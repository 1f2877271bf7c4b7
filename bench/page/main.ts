/** The micro-benchmark suite in a browser page. */
import { Device } from '../../engine/index.js';
import { version } from '../../package.json';
import { STYLE } from '../../report/style.js';
import { loadJax } from '../engines/jax.js';
import { loadTfjs } from '../engines/tfjs.js';
import type { Measurement } from '../measure.js';
import { resultsOf } from '../report/page.js';
import type { Results } from '../results.js';
import { runCase, suiteFor, type Peers } from '../suite.js';

function element<T extends HTMLElement>(id: string, kind: new () => T): T {
  const found = document.getElementById(id);
  if (!(found instanceof kind)) throw new Error(`the page has no ${kind.name} #${id}`);
  return found;
}

const controls = element('controls', HTMLFormElement);
const [only, rounds] = [element('only', HTMLInputElement), element('rounds', HTMLInputElement)];
const [start, stop] = [element('start', HTMLButtonElement), element('stop', HTMLButtonElement)];
const status = element('status', HTMLParagraphElement);
const shown = element('results', HTMLDivElement);
const download = element('download', HTMLAnchorElement);
document.head.append(Object.assign(document.createElement('style'), { textContent: STYLE }));

let stopped = false;
stop.addEventListener('click', () => {
  stopped = true;
  status.textContent = 'stopping after this case ...';
});
controls.addEventListener('submit', (event) => {
  event.preventDefault();
  [start.disabled, stop.disabled, stopped] = [true, false, false];
  run()
    .catch((error: unknown) => (status.textContent = error instanceof Error ? error.message : String(error)))
    .finally(() => ([start.disabled, stop.disabled] = [false, true]));
});

async function run(): Promise<void> {
  status.textContent = 'opening the adapter and loading the libraries ...';
  // Types know browsers with WebGPU only.
  const gpu = navigator.gpu as GPU | undefined;
  if (!gpu) throw new Error('This browser has no WebGPU: use a recent Chrome, Edge, Firefox or Safari.');
  const device = await Device.create(await gpu.requestAdapter({ powerPreference: 'high-performance' }));
  const missing: string[] = [];
  const peers: Peers = {
    jax: await loadJax().catch(() => void missing.push('jax-js')),
    tfjs: await loadTfjs().catch(() => void missing.push('tfjs')),
  };
  const wanted = only.value.toLowerCase();
  const cases = suiteFor(device).filter(({ name }) => name.toLowerCase().includes(wanted));
  const measurements: Measurement[] = [];
  const failures: { name: string; reason: string }[] = [];
  for (const [index, each] of cases.entries()) {
    if (stopped) break;
    status.textContent = `${index + 1} of ${cases.length}: ${each.name}`;
    // A frame for the page to show it.
    await new Promise((resolve) => setTimeout(resolve, 30));
    try {
      measurements.push(await runCase(each, device, peers, rounds.valueAsNumber));
    } catch (error) {
      failures.push({ name: each.name, reason: error instanceof Error ? error.message : String(error) });
    }
    show({
      adapter: 'browser',
      driver: driverOf(device),
      date: today(),
      versions: { bulwark: version },
      failures,
      measurements,
    });
  }
  device.destroy();
  const without = missing.length > 0 ? `, without ${missing.join(' and ')}` : '';
  status.textContent = `${measurements.length} of ${cases.length} cases measured${without}`;
}

function show(results: Results): void {
  shown.innerHTML = resultsOf(results, document).text;
  if (download.href) URL.revokeObjectURL(download.href);
  download.href = URL.createObjectURL(new Blob([JSON.stringify(results, null, 2)], { type: 'application/json' }));
  download.hidden = false;
}

function driverOf({ caps }: Device): string {
  return caps.description || `${caps.vendor} ${caps.architecture}`.trim() || 'unknown driver';
}

function today(): string {
  return new Date().toISOString().slice(0, 10);
}
