import { useId, useState } from 'preact/hooks';
import { Choice } from '../../widgets/Choice.js';
import { Problem } from '../../widgets/Problem.js';
import { Slider } from '../../widgets/Slider.js';
import { ResultTables } from './ResultTables.js';
import { isRunning, problem, progress, results, start, stop, without, type Progress } from './session.js';
import './bench.css';

const CASES = { quick: 'a handful', all: 'all of them' } as const;

/** The room where kernels and training steps are timed, in turn with other libraries. */
export function BenchRoom() {
  const [cases, setCases] = useState<keyof typeof CASES>('quick');
  const [only, setOnly] = useState('');
  const [rounds, setRounds] = useState(7);
  const [peers, setPeers] = useState(true);
  const [onlyId, peersId] = [useId(), useId()];
  const running = isRunning.value;
  return (
    <>
      <form
        class="panel controls"
        onSubmit={(event) => {
          event.preventDefault();
          void start({ cases, only, rounds, peers });
        }}
      >
        <Choice label="Cases" value={cases} options={CASES} onChange={setCases} disabled={running} />
        <div class="field">
          <label for={onlyId}>whose names contain</label>
          <input
            id={onlyId}
            type="text"
            value={only}
            placeholder="matmul, conv, softmax ..."
            disabled={running}
            onInput={({ currentTarget }) => setOnly(currentTarget.value)}
          />
        </div>
        <Slider
          label="Rounds, at least"
          value={rounds}
          min={1}
          max={25}
          step={1}
          onInput={setRounds}
          disabled={running}
        />
        <label class="check" for={peersId}>
          <input
            id={peersId}
            type="checkbox"
            checked={peers}
            disabled={running}
            onChange={({ currentTarget }) => setPeers(currentTarget.checked)}
          />
          beside tfjs and jax-js
        </label>
        {running ? (
          <button type="button" onClick={stop}>
            {progress.value.kind === 'measuring' && progress.value.stopping ? 'Stop at once' : 'Stop'}
          </button>
        ) : (
          <button class="main">Start</button>
        )}
      </form>
      <div role="status" class="bench-status">
        <Said progress={progress.value} />
      </div>
      <Problem text={problem.value} />
      {without.value.map(({ name, reason }) => (
        <p key={name} class="warning">
          {name} is left out, since it does not work here: {reason}
        </p>
      ))}
      {results.value && results.value.measurements.length + results.value.failures.length > 0 ? (
        <>
          <ResultTables results={results.value} />
          <button onClick={download}>Download as JSON</button>
        </>
      ) : (
        !running && <About />
      )}
    </>
  );
}

function About() {
  return (
    <>
      <p>
        Every case is computed by all libraries in turn on this adapter: a round is one turn of each, a ratio is of the
        other library's time to bulwark's in the same round, and figures are medians. First results have to agree, or
        the case fails. Keep this page in front: a page in the background is slowed down.
      </p>
      <p>
        The handful takes seconds on a GPU; on a software adapter it takes minutes, all of them hours. The other
        libraries, 1.4 megabytes, are fetched when they are first measured.
      </p>
    </>
  );
}

function Said({ progress: at }: { readonly progress: Progress }) {
  switch (at.kind) {
    case 'idle':
      return null;
    case 'opening':
      return <p>Opening the adapter and loading the libraries ...</p>;
    case 'measuring':
      return (
        <>
          <p>
            {at.at + 1} of {at.of}: {at.name} ...{at.stopping ? ' Stops after this case.' : ''}
          </p>
          <progress max={at.of} value={at.at} aria-label="Cases measured" />
        </>
      );
    case 'ended':
      return (
        <p>
          {at.of === 0
            ? 'No case has such a name.'
            : `${at.measured} of ${at.of} ${at.of === 1 ? 'case' : 'cases'} measured.`}
        </p>
      );
  }
}

function download(): void {
  const url = URL.createObjectURL(new Blob([JSON.stringify(results.value, null, 2)], { type: 'application/json' }));
  Object.assign(document.createElement('a'), { href: url, download: 'bench.json' }).click();
  // The browser has taken it by then.
  setTimeout(() => URL.revokeObjectURL(url), 60_000);
}
