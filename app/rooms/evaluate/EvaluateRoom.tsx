import { modelTitles } from '../../own-models.js';
import { save } from '../../save-file.js';
import { Choice } from '../../widgets/Choice.js';
import { LineChart } from '../../widgets/LineChart.js';
import { Problem } from '../../widgets/Problem.js';
import { Slider } from '../../widgets/Slider.js';
import { AccuracyTable, CurveTable, Checks } from './Tables.js';
import { RADII } from './findings.js';
import { reportHtml, reportJson } from './report.js';
import { ended, eps, findings, images, measure, problem, progress, request, sanity, sides, stop } from './session.js';
import './evaluate.css';

const COUNTS = { 10: '10', 20: '20', 50: '50', 100: '100', 200: '200', 500: '500', 1000: '1000' };

/** The room where two models are measured: accuracies under attack, how they fall with eps, and whether to believe them. */
export function EvaluateRoom() {
  const busy = progress.value !== undefined;
  return (
    <>
      <form
        class="panel controls"
        aria-label="What is measured"
        onSubmit={(event) => {
          event.preventDefault();
          void measure();
        }}
      >
        <ModelChoice side={0} disabled={busy} />
        <ModelChoice side={1} disabled={busy} />
        <Choice
          label="Test images"
          value={String(images.value) as `${keyof typeof COUNTS}`}
          options={COUNTS}
          onChange={(count) => (images.value = Number(count))}
          disabled={busy}
        />
        <Slider
          label="eps of the table"
          value={eps.value}
          {...{ min: 0.01, max: 0.5, step: 0.01 }}
          onInput={(value) => (eps.value = value)}
          format={(value) => value.toFixed(2)}
          disabled={busy}
        />
        <label class="check">
          <input
            type="checkbox"
            checked={sanity.value}
            disabled={busy}
            onChange={({ currentTarget }) => (sanity.value = currentTarget.checked)}
          />{' '}
          Sanity checks too: they take far longer
        </label>
        {busy ? (
          <button type="button" onClick={() => void stop()}>
            Stop
          </button>
        ) : (
          <button class="main">Measure</button>
        )}
      </form>
      <Problem text={problem.value} />
      <Progress />
      {request.value ? (
        <Results />
      ) : (
        <p>Nothing was measured yet. Models that you train or drop can be chosen above.</p>
      )}
    </>
  );
}

function ModelChoice({ side, disabled }: { readonly side: 0 | 1; readonly disabled: boolean }) {
  const [first, second] = sides.value;
  return (
    <Choice
      label={side === 0 ? 'First model' : 'Second model'}
      value={sides.value[side]}
      options={Object.fromEntries(modelTitles().map((title) => [title, title]))}
      onChange={(title) => (sides.value = side === 0 ? [title, second] : [first, title])}
      disabled={disabled}
    />
  );
}

function Progress() {
  const now = progress.value;
  const last = { finished: 'Measured.', stopped: 'Stopped; what was found until then stays.' };
  return (
    <div class="progress">
      <p role="status">{now ? `Measuring: ${now.doing}` : ended.value ? last[ended.value] : ''}</p>
      {now && <progress aria-label="How far it is" value={now.share} max={1} />}
    </div>
  );
}

function Results() {
  const found = findings.value;
  const asked = request.value;
  if (!asked) return null;
  const values = (curve: (typeof found)[number]['curve']): (number | null)[] =>
    RADII.map((radius) => {
      const point = curve.find((each) => each.eps === radius);
      return point ? 100 * point.accuracy.value : null;
    });
  return (
    <section aria-label="What was found">
      <h2>Accuracy</h2>
      <p>
        On {asked.images} test images, attacked within eps {asked.eps.toFixed(2)}; in brackets, where the accuracy on
        all such images lies with a confidence of 95 %.
      </p>
      <AccuracyTable findings={found} />
      <h2>Accuracy as the attack grows</h2>
      <LineChart
        label="Accuracy under PGD-20 against eps, in per cent"
        x={RADII}
        xName="eps"
        series={found.map(({ title, curve }) => ({ name: title, values: values(curve) }))}
        range={[0, 100]}
        height={260}
      />
      <CurveTable findings={found} />
      {found.map((each) => (
        <Checks key={each.title} findings={each} />
      ))}
      <h2>Keep it</h2>
      <p class="row">
        <button
          onClick={() => save(new Blob([reportHtml(asked, found)], { type: 'text/html' }), 'bulwark-evaluation.html')}
        >
          Download the report as HTML
        </button>
        <button
          onClick={() =>
            save(new Blob([reportJson(asked, found)], { type: 'application/json' }), 'bulwark-evaluation.json')
          }
        >
          Download the numbers as JSON
        </button>
      </p>
    </section>
  );
}
