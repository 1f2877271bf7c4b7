import { modelTitles } from '../../own-models.js';
import { Bars } from '../../widgets/Bars.js';
import { Choice } from '../../widgets/Choice.js';
import { DropZone } from '../../widgets/DropZone.js';
import { LineChart } from '../../widgets/LineChart.js';
import { Picture } from '../../widgets/Picture.js';
import { lossOf, mostLikely } from './attacks.js';
import { downloadPng } from './download-png.js';
import { putModel, shown, sides, takeModel } from './session.js';

const DIGITS = Array.from({ length: 10 }, (_, digit) => String(digit));
const SIZE = { height: 28, width: 28 };

const LOSSES = { 'cross-entropy': 'Cross-entropy', margin: 'Margin of the logits, above 0 where fooled' };

/** One model: what it makes of the picture before and after the attack, and how the attack got there. */
export function Side({ side }: { readonly side: 0 | 1 }) {
  const title = sides.value[side];
  return (
    <article class="panel side" aria-label={side === 0 ? 'First model' : 'Second model'}>
      <Choice
        label={side === 0 ? 'First model' : 'Second model'}
        value={title}
        options={Object.fromEntries(modelTitles().map((each) => [each, each]))}
        onChange={(value) => putModel(side, value)}
      />
      <Result side={side} />
      <details>
        <summary>Another model in this place</summary>
        <DropZone
          label={`A model of your own in place of ${title}: a .safetensors file`}
          accept=".safetensors"
          onFiles={([file]) => (file ? takeModel(side, file) : undefined)}
        />
      </details>
    </article>
  );
}

function Result({ side }: { readonly side: 0 | 1 }) {
  const outcome = shown.value?.outcomes[side];
  if (!shown.value || !outcome) return <p>Nothing yet.</p>;
  const { subject, request, titles } = shown.value;
  const { before, after, pixels, path, distance } = outcome;
  const [was, is] = [mostLikely(before), mostLikely(after)];
  const title = titles[side] ?? '';
  // Without a bound, the strongest colour is the largest change.
  const full = Math.max(distance, 1e-6);
  const changes = pixels.map((value, i) => value - (subject.pixels[i] ?? 0));
  const loss = LOSSES[lossOf(request.attack)];
  return (
    <>
      <p class={`readings ${was === is ? '' : 'fooled'}`}>
        <span>
          <small>before</small> <b>{was}</b>
        </span>
        <span aria-hidden="true" class="arrow">
          →
        </span>
        <span>
          <small>after</small> <b>{is}</b>
        </span>
        <span class={was === is ? 'right' : 'wrong'}>{was === is ? 'holds' : 'fooled'}</span>
      </p>
      <div class="pictures">
        <figure>
          <Picture alt={`${subject.name} before the attack`} pixels={subject.pixels} {...SIZE} />
          <figcaption>before</figcaption>
        </figure>
        <figure>
          <Picture alt={`${subject.name} after the attack on ${title}`} pixels={pixels} {...SIZE} />
          <figcaption>after</figcaption>
        </figure>
        <figure>
          <Picture
            alt="What the attack changed: red is brighter, blue is darker"
            pixels={changes}
            {...SIZE}
            ramp={{ kind: 'difference', full }}
          />
          <figcaption>change, up to {distance.toFixed(2)}</figcaption>
        </figure>
      </div>
      <Bars
        label="Probability of each digit; the marks are those before"
        names={DIGITS}
        values={after}
        before={before}
      />
      <LineChart
        label={`${loss}, over the steps of the attack`}
        x={path.map((_, step) => step)}
        xName="step"
        series={[{ name: loss, values: path }]}
        height={160}
      />
      <p>
        <button onClick={() => void downloadPng(pixels, `adversarial-${is}-for-${title}.png`)}>
          Download this adversarial example as PNG
        </button>
      </p>
    </>
  );
}
