import {
  begin,
  download,
  finding,
  forget,
  goOn,
  imagesPerSecond,
  kept,
  measure,
  pause,
  resume,
  secondsLeft,
  settings,
  state,
  step,
} from './session.js';

/** Test images that a measurement on demand takes. */
const MEASURED = 200;

/** Begins, pauses and ends runs, and hands out what came of them. */
export function RunControls() {
  const now = state.value;
  const isThere = now === 'paused' || now === 'finished';
  return (
    <section aria-label="The run">
      {kept.value && (now === 'none' || now === 'finished') && (
        <div class="panel kept">
          <p>
            A run of an earlier visit stands at step {kept.value.step} of {kept.value.settings.steps}.
            {!kept.value.isShipped && ' It learned from files of your own: bring them again first.'}
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
          <button class="main" onClick={() => void resume()}>
            Resume
          </button>
        ) : (
          <button class="main" disabled={now === 'starting'} onClick={() => void begin()}>
            Train
          </button>
        )}
        {now === 'paused' && <button onClick={() => void begin()}>Begin anew</button>}
        {isThere && (
          <>
            <button onClick={() => void download('model')}>Save the model</button>
            <button onClick={() => void download('checkpoint')}>Save the run</button>
            <button disabled={finding.value === 'measuring'} onClick={() => void measure(MEASURED)}>
              Measure on {MEASURED} test images
            </button>
          </>
        )}
      </p>
      <p role="status" class="where">
        {whereOf(now)}
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

function whereOf(now: typeof state.value): string {
  const at = `step ${step.value} of ${settings.value.steps}`;
  const rate = imagesPerSecond.value === undefined ? '' : `, ${imagesPerSecond.value.toFixed(0)} images/s`;
  switch (now) {
    case 'none':
      return 'Nothing is running.';
    case 'starting':
      return 'starting ...';
    case 'running': {
      const left = secondsLeft.value;
      return `training: ${at}${rate}${left === undefined ? '' : `, about ${Math.ceil(left)} s left`}`;
    }
    case 'pausing':
      return `pausing after the step at hand: ${at}`;
    case 'paused':
      return `paused: ${at}`;
    case 'finished':
      return `finished: ${at}${rate}`;
    default:
      return now satisfies never;
  }
}
