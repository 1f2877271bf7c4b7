import { Fragment } from 'preact';
import { Scroll } from '../../widgets/Scroll.js';
import { formatBytes } from './bytes.js';
import type { DeviceFacts, LimitFact } from './device-facts.js';
import { NEEDED } from './needed.js';

/** Limits and features of the adapter, those first that kernels go by. */
export function Limits({ facts }: { readonly facts: DeviceFacts }) {
  const needed = facts.limits.filter(({ name }) => name in NEEDED);
  const others = facts.limits.filter(({ name }) => !(name in NEEDED));
  const features = Object.entries(facts.features);
  return (
    <>
      <section aria-labelledby="limits">
        <h2 id="limits">Limits</h2>
        <p>
          Kernels stay within the least that WebGPU promises on any adapter, and do more at once where there is more. A
          device has only as much of a limit as was asked for.
        </p>
        <Scroll label="Limits that bulwark goes by">
          <table class="prose">
            <thead>
              <tr>
                <th scope="col">Limit</th>
                <th scope="col">This adapter</th>
                <th scope="col">In use</th>
                <th scope="col">Needed</th>
                <th scope="col">For</th>
              </tr>
            </thead>
            <tbody>
              {needed.map((limit) => (
                <NeededRow key={limit.name} limit={limit} />
              ))}
            </tbody>
          </table>
        </Scroll>
        <details>
          <summary>All other limits ({others.length})</summary>
          <Scroll label="All other limits">
            <table>
              <thead>
                <tr>
                  <th scope="col">Limit</th>
                  <th scope="col">This adapter</th>
                </tr>
              </thead>
              <tbody>
                {others.map(({ name, adapter }) => (
                  <tr key={name}>
                    <th scope="row">{name}</th>
                    <td>{format(name, adapter)}</td>
                  </tr>
                ))}
              </tbody>
            </table>
          </Scroll>
        </details>
      </section>
      <section aria-labelledby="features">
        <h2 id="features">Features</h2>
        <p>In bold are those that kernels make use of.</p>
        <ul class="features">
          {features.map(([name, used]) => (
            <li key={name}>{used ? <strong>{name}</strong> : name}</li>
          ))}
        </ul>
      </section>
    </>
  );
}

function NeededRow({ limit: { name, adapter, device } }: { readonly limit: LimitFact }) {
  const { least = 0, use = '' } = NEEDED[name] ?? {};
  return (
    <tr>
      <th scope="row">{breakable(name)}</th>
      <td>{format(name, adapter)}</td>
      <td>{format(name, device)}</td>
      <td class={device >= least ? 'right' : 'wrong'}>
        {format(name, least)}&nbsp;{device >= least ? '✓' : '✗ too little'}
      </td>
      <td>{use}</td>
    </tr>
  );
}

/** A name in camel case that may be broken between its words. */
function breakable(name: string) {
  return name.split(/(?=[A-Z])/).map((word) => (
    <Fragment key={word}>
      {word}
      <wbr />
    </Fragment>
  ));
}

/** Sizes in bytes are those of buffers and of memory. */
function format(name: string, value: number): string {
  return /(Size|BytesPerSample)$/.test(name) && !/WorkgroupSize|Offset/.test(name)
    ? formatBytes(value)
    : value.toLocaleString('en');
}
