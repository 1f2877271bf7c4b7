import type { KernelCheck } from '../../../engine/index.js';
import { Scroll } from '../../widgets/Scroll.js';
import { activity, checkCount, checks, stop, test } from './session.js';
import { verdictOf } from './verdict.js';

/** Runs every kernel on the adapter and compares it with the processor, in double precision. */
export function SelfTest() {
  const [done, count] = [checks.value, checkCount.value];
  const testing = activity.value === 'testing';
  const failed = done.filter(({ passed }) => !passed);
  return (
    <section aria-labelledby="self-test">
      <h2 id="self-test">Self-test</h2>
      <p>
        Every family of kernels, forward and backward, is run once and compared with the same computed in double
        precision on the processor. Takes seconds on a GPU, a minute on software adapters.
      </p>
      <div class="controls">
        {testing ? (
          <button onClick={() => void stop()}>Stop</button>
        ) : (
          <button class="main" disabled={activity.value !== 'idle'} onClick={() => void test()}>
            Test the kernels
          </button>
        )}
        {testing && (
          <label class="progress">
            <progress max={count} value={done.length} />
            <span>
              {done.length} of {count}
            </span>
          </label>
        )}
      </div>
      <div role="status">{!testing && done.length > 0 && <Verdict />}</div>
      {done.length > 0 && (
        <details open={failed.length > 0}>
          <summary>Every check</summary>
          <Checks checks={[...failed, ...done.filter(({ passed }) => passed)]} />
        </details>
      )}
    </section>
  );
}

function Verdict() {
  const { kind, text } = verdictOf(checks.value, checkCount.value);
  return <p class={`verdict ${kind}`}>{text}</p>;
}

function Checks({ checks: rows }: { readonly checks: readonly KernelCheck[] }) {
  return (
    <Scroll label="Checks of the self-test">
      <table>
        <caption>Errors are the largest difference as a part of the largest magnitude.</caption>
        <thead>
          <tr>
            <th scope="col">Kernel</th>
            <th scope="col">Result</th>
            <th scope="col">Error</th>
            <th scope="col">Allowed</th>
          </tr>
        </thead>
        <tbody>
          {rows.map(({ name, passed, error, tolerance, failure }) => (
            <tr key={name}>
              <th scope="row">{name}</th>
              <td class={passed ? 'right' : 'wrong'}>{passed ? 'right' : 'wrong'}</td>
              <td>{failure ?? formatError(error)}</td>
              <td>{formatError(tolerance)}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </Scroll>
  );
}

function formatError(error: number): string {
  return error === 0 ? '0' : error.toExponential(1);
}
