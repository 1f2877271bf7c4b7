import { useState } from 'preact/hooks';
import type { Variant } from '../../../engine/index.js';
import { Choice } from '../../widgets/Choice.js';
import { Slider } from '../../widgets/Slider.js';
import { Scroll } from '../../widgets/Scroll.js';
import { activity, clear, left, stop, tune, tuned, variants } from './session.js';

const MODELS = { cnn4: '4-layer CNN', resnet18: 'ResNet-18' } as const;

/** Kernels that were measured on this adapter and are kept in the browser; measures more, or forgets them. */
export function Tuning({ software }: { readonly software: boolean }) {
  const [model, setModel] = useState<keyof typeof MODELS>('cnn4');
  const [batch, setBatch] = useState(software ? 32 : 128);
  const [seconds, setSeconds] = useState(30);
  const known = Object.entries(variants.value);
  const idle = activity.value === 'idle';
  return (
    <section aria-labelledby="tuned">
      <h2 id="tuned">Tuned kernels</h2>
      <p>
        Most operations have several kernels; which is fastest depends on the sizes and on the adapter. Measured choices
        are kept in this browser, and every room goes by them.{' '}
        {software
          ? 'On a software adapter measurement is slow: each kernel takes long to compile.'
          : 'On a GPU, training measures by itself at its first step.'}
      </p>
      <div class="controls">
        <Choice label="For a training step of" value={model} options={MODELS} onChange={setModel} disabled={!idle} />
        <Slider label="Images to a step" value={batch} min={8} max={256} step={8} onInput={setBatch} disabled={!idle} />
        <Slider
          label="For at most"
          value={seconds}
          min={5}
          max={300}
          step={5}
          format={(value) => `${value} s`}
          onInput={setSeconds}
          disabled={!idle}
        />
        {activity.value === 'tuning' ? (
          <button onClick={() => void stop()}>Stop</button>
        ) : (
          <button class="main" disabled={!idle} onClick={() => void tune({ model, width: 1, batch }, seconds)}>
            Measure
          </button>
        )}
        <button disabled={!idle || known.length === 0} onClick={() => void clear()}>
          Forget all
        </button>
      </div>
      <div role="status">
        <Progress />
      </div>
      {tuned.value.length > 0 && <Gains />}
      <p>{known.length === 0 ? 'Nothing is kept yet.' : `${known.length} choices are kept for this adapter.`}</p>
      {known.length > 0 && (
        <details>
          <summary>All that is kept</summary>
          <Scroll label="Kept choices">
            <table>
              <thead>
                <tr>
                  <th scope="col">Choice</th>
                  <th scope="col">Kernel</th>
                </tr>
              </thead>
              <tbody>
                {known.map(([key, variant]) => (
                  <tr key={key}>
                    <th scope="row">{key}</th>
                    <td>{nameOf(variant)}</td>
                  </tr>
                ))}
              </tbody>
            </table>
          </Scroll>
        </details>
      )}
    </section>
  );
}

function Progress() {
  const [done, rest] = [tuned.value.length, left.value];
  if (activity.value === 'tuning') {
    if (rest === undefined) return <p>Taking a step, to see what it asks for ...</p>;
    return (
      <label class="progress">
        <progress max={done + rest} value={done} />
        <span>
          {done} measured, {rest} to go
        </span>
      </label>
    );
  }
  if (rest === undefined) return null;
  return (
    <p>
      {rest === 0 ? `All ${done} choices are measured.` : `${done} choices are measured, ${rest} are left as expected.`}
    </p>
  );
}

function Gains() {
  return (
    <Scroll label="What was measured">
      <table>
        <thead>
          <tr>
            <th scope="col">Choice</th>
            <th scope="col">Expected</th>
            <th scope="col">Fastest</th>
            <th scope="col">Times faster</th>
          </tr>
        </thead>
        <tbody>
          {tuned.value.map(({ key, expected, chosen, times }) => {
            const msOf = (wanted: Variant): number | undefined => times.find(({ variant }) => variant === wanted)?.ms;
            const [before, after] = [msOf(expected), msOf(chosen)];
            return (
              <tr key={key}>
                <th scope="row">{key}</th>
                <td>{nameOf(expected)}</td>
                <td>{nameOf(chosen)}</td>
                <td>{before === undefined || after === undefined ? '' : (before / after).toFixed(2)}</td>
              </tr>
            );
          })}
        </tbody>
      </table>
    </Scroll>
  );
}

function nameOf(variant: Variant): string {
  return typeof variant === 'string' ? variant : Object.values(variant).join(' ');
}
