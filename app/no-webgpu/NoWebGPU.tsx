import { useEffect, useState } from 'preact/hooks';
import { ROOMS } from '../rooms.js';
import { lack, lookForAdapter, type Lack } from '../webgpu.js';
import { Coded } from '../widgets/Coded.js';
import { Scroll } from '../widgets/Scroll.js';
import { detectBrowser, type Agent, type Browser } from './browser.js';
import { Glimpse } from './Glimpse.js';
import { stepsFor } from './steps.js';
import { SUPPORT, supportOf } from './support.js';
import './no-webgpu.css';

/** What stands in place of a room where nothing can be computed: what is missing, how to get it, and what there would be to see. */
export function NoWebGPU() {
  const [browser, setBrowser] = useState<Browser>();
  useEffect(() => void detectBrowser(navigator as Agent).then(setBrowser), []);
  const what = lack.value;
  if (!what) return null;
  return (
    <>
      <section class="panel missing" aria-labelledby="missing">
        <h2 id="missing">{TITLES[what.kind]}</h2>
        <p>
          {what.reason} Everything here is computed on your own machine by WebGPU, a browser's way to its graphics
          processor; nothing is sent anywhere.
        </p>
        {browser && (
          <>
            <h3>What to do{browser.engine === 'other' ? '' : ` in ${nameOf(browser)}`}</h3>
            <ol>
              {stepsFor(browser, what, new URL(location.href)).map((step) => (
                <li key={step}>
                  <Coded text={step} />
                </li>
              ))}
            </ol>
          </>
        )}
        <button class="main" onClick={() => void lookForAdapter()}>
          Look again
        </button>
      </section>
      <section aria-labelledby="otherwise">
        <h2 id="otherwise">What you would see</h2>
        <Glimpse />
        <dl class="rooms">
          {ROOMS.map(({ id, title, lead }) => (
            <div key={id}>
              <dt>{title}</dt>
              <dd>{lead}</dd>
            </div>
          ))}
        </dl>
        <p>
          The same runs without a browser, on any machine with Node.js: <code>npx bulwark demo</code> trains and attacks
          two classifiers, and writes a report.
        </p>
      </section>
      <section aria-labelledby="where">
        <h2 id="where">Where WebGPU is on</h2>
        <Table browser={browser} />
      </section>
    </>
  );
}

const TITLES = {
  insecure: 'A secure address is missing',
  unsupported: 'WebGPU is missing',
  adapter: 'A graphics adapter is missing',
} as const satisfies Record<Lack['kind'], string>;

const PLATFORMS = {
  ...{
    windows: 'Windows',
    macos: 'macOS',
    linux: 'Linux',
    android: 'Android',
    ios: 'iOS or iPadOS',
    chromeos: 'ChromeOS',
  },
  other: '',
} as const satisfies Record<Browser['platform'], string>;

function nameOf({ name, version, platform }: Browser): string {
  const on = PLATFORMS[platform];
  return `${name}${version === undefined ? '' : ` ${version}`}${on === '' ? '' : ` on ${on}`}`;
}

function Table({ browser }: { readonly browser: Browser | undefined }) {
  const own = browser && supportOf(browser);
  return (
    <Scroll label="Versions with WebGPU">
      <table class="prose">
        <caption>Versions that have WebGPU on without any setting, as of spring 2026</caption>
        <thead>
          <tr>
            <th scope="col">Browser</th>
            <th scope="col">On</th>
            <th scope="col">From version</th>
            <th scope="col">If</th>
          </tr>
        </thead>
        <tbody>
          {SUPPORT.map((line) => (
            <tr
              key={line.browsers + line.on}
              class={line === own ? 'own' : ''}
              aria-current={line === own ? 'true' : undefined}
            >
              <th scope="row">{line.browsers}</th>
              <td>{line.on}</td>
              <td>{line.since ?? 'none yet'}</td>
              <td>{line.note}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </Scroll>
  );
}
