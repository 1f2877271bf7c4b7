import {
  begin,
  download,
  finding,
  forget,
  goOn,
  imagesPerSecond,
  isIdle,
  isMeasuring,
  kept,
  measure,
  pause,
  resume,
  secondsLeft,
  settings,
  state,
  step,
  type RunState,
} from './session.js';
import { SHIPPED } from './shipped.js';

/** Test images that a measurement on demand takes. */
const MEASURED = 200;

/** Begins, pauses and ends runs, and hands out what came of them. */
export function RunControls() {
  const now = state.value;
  const isThere = now === 'paused' || now === 'finished';
  return (
    <section aria-label="The run">
      {kept.value && isIdle.value && (
        <div class="panel kept">
          <p>
            A run of {kept.value.file ?? 'an earlier visit'} stands at step {kept.value.run.step} of{' '}
            {kept.value.run.settings.steps}.
            {kept.value.run.images.digest !== SHIPPED && ' It learned from files of your own: bring them first.'}
          </p>
          <p class="buttons">
            <button onClick={() => void goOn()}>Go on with it</button>{' '}
            <button onClick={() => void forget()}>Discard it</button>
          </p>
        </div>
      )}
      <p class="buttons">
        {now === 'running' || now === 'pausing' ? (
          <button disabled={now === 'pausing'} onClick={() => void pause()}>
            Pause
          </button>
        ) : now === 'paused' ? (
          <button class="main" disabled={isMeasuring.value} onClick={() => void resume()}>
            Resume
          </button>
        ) : (
          <button class="main" disabled={!isIdle.value} onClick={() => void begin()}>
            Train
          </button>
        )}
        {now === 'paused' && (
          <button disabled={isMeasuring.value} onClick={() => void begin()}>
            Begin anew
          </button>
        )}
        {isThere && (
          <>
            <button onClick={() => void download('model')}>Save the model</button>
            <button onClick={() => void download('run')}>Save the run</button>
            <button disabled={isMeasuring.value} onClick={() => void measure(MEASURED)}>
              Measure on {MEASURED} test images
            </button>
          </>
        )}
      </p>
      {/* The step changes too often to be read out. */}
      <p class="where">
        <span role="status">{DOING[now]}</span>
        {now !== 'none' && now !== 'starting' && `: ${whereOf(now)}`}
      </p>
      {now !== 'none' && <progress aria-label="Steps done" max={settings.value.steps} value={step.value} />}
      {finding.value && (
        <p role="status" class="finding">
          {finding.value === 'measuring'
            ? 'measuring ...'
            : `Of ${finding.value.images} test images ${finding.value.natural} are right, and ${finding.value.robust} after PGD with 20 steps.`}
        </p>
      )}
    </section>
  );
}

const DOING: Readonly<Record<RunState, string>> = {
  none: 'Nothing is running.',
  starting: 'starting ...',
  running: 'training',
  pausing: 'pausing after the step at hand',
  paused: 'paused',
  finished: 'finished',
};

function whereOf(now: RunState): string {
  const rate = imagesPerSecond.value === undefined ? [] : [`${imagesPerSecond.value.toFixed(0)} images/s`];
  const left = secondsLeft.value === undefined ? [] : [`about ${Math.ceil(secondsLeft.value)} s left`];
  const at = `step ${step.value} of ${settings.value.steps}`;
  return [at, ...(now === 'paused' ? [] : rate), ...(now === 'running' ? left : [])].join(', ');
}
