import { useState } from 'preact/hooks';
import { MNIST_CLASSES } from '../../../data/mnist.js';
import { addOwnModel, ownModels } from '../../own-models.js';
import { save } from '../../save-file.js';
import { Bars } from '../../widgets/Bars.js';
import { Choice } from '../../widgets/Choice.js';
import { DropZone } from '../../widgets/DropZone.js';
import { LineChart } from '../../widgets/LineChart.js';
import { Picture } from '../../widgets/Picture.js';
import { Problem } from '../../widgets/Problem.js';
import { sentenceOf } from '../../sentence.js';
import type { AttackOutcome } from './attack-worker.js';
import { outcomes, restoreModel, shown, takeModel, type Side, type Specimen } from './session.js';

const SIZE = 28;

/** What stands in the choice of models for the one that is there. */
const HERE: string = '';

/** One model, and what became of the image in front of it. */
export function SidePanel({ side }: { readonly side: Side }) {
  const outcome = outcomes.value[side.id];
  const of = shown.value;
  return (
    <section class="panel side" aria-label={side.title}>
      <h2>{side.title}</h2>
      {outcome && of ? <Outcome of={of} outcome={outcome} /> : <p role="status">No image yet.</p>}
      <details>
        <summary>The model</summary>
        {side.command === undefined ? (
          <p>
            Your own. <button onClick={() => void restoreModel(side.id)}>Put the shipped one back</button>
          </p>
        ) : (
          <p>
            Trained by <code>{side.command}</code>
          </p>
        )}
        <OwnModels side={side} />
        <DropZone
          label="Another model in its place: a safetensors file"
          accept=".safetensors"
          onFiles={async ([file]) => {
            if (!file) return;
            const bytes = new Uint8Array(await file.arrayBuffer());
            await takeModel(side.id, bytes, file.name);
            addOwnModel({ title: file.name, bytes });
          }}
        />
      </details>
    </section>
  );
}

/** The models that were trained or brought in other rooms. */
function OwnModels({ side }: { readonly side: Side }) {
  const [problem, setProblem] = useState<string>();
  const models = ownModels.value;
  if (models.length === 0) return null;
  const options: Record<string, string> = { [HERE]: 'choose ...' };
  for (const { title } of models) options[title] = title;
  const take = (title: string): void => {
    const model = models.find((each) => each.title === title);
    if (!model) return;
    takeModel(side.id, model.bytes, model.title).then(
      () => setProblem(undefined),
      (error: unknown) => setProblem(sentenceOf(error)),
    );
  };
  return (
    <>
      <Choice label="One that was trained here" value={HERE} options={options} onChange={take} />
      <Problem text={problem} />
    </>
  );
}

function Outcome({ of, outcome }: { readonly of: Specimen; readonly outcome: AttackOutcome }) {
  const { before, after, adversarial, label, path } = outcome;
  const [first, last] = [largest(before), largest(after)];
  const difference = adversarial.map((value, index) => value - (of.pixels[index] ?? 0));
  const full = Math.max(1e-6, ...difference.map(Math.abs));
  const fooled = last !== label;
  const size = { height: SIZE, width: SIZE };
  return (
    <>
      <p class="verdict" aria-live="polite">
        <span>
          takes it for <strong>{MNIST_CLASSES[first]}</strong>
        </span>
        <span aria-hidden="true">→</span>
        <span>
          after the attack for <strong class={fooled ? 'wrong' : 'right'}>{MNIST_CLASSES[last]}</strong>
        </span>
        <span class={fooled ? 'wrong' : 'right'}>{fooled ? 'fooled' : 'not fooled'}</span>
      </p>
      <div class="pictures">
        <figure>
          <Picture alt={`the image: ${of.title}`} pixels={of.pixels} {...size} />
          <figcaption>before</figcaption>
        </figure>
        <figure>
          <Picture alt="what was added, enlarged" pixels={difference} {...size} ramp={{ kind: 'difference', full }} />
          <figcaption>change, at most {full.toFixed(2)}</figcaption>
        </figure>
        <figure>
          <Picture alt="the image after the attack" pixels={adversarial} {...size} />
          <figcaption>after</figcaption>
        </figure>
      </div>
      <p>
        <button onClick={() => void downloadPng(adversarial, `adversarial-${of.title}-as-${last}.png`)}>
          Download the image as PNG
        </button>
      </p>
      <Bars
        label="Probabilities after the attack; the mark is before"
        names={MNIST_CLASSES}
        values={after}
        before={before}
      />
      <LineChart
        label="Loss on the attack's way"
        x={path.map((_, step) => step)}
        xName="step"
        series={[{ name: 'cross-entropy', values: path }]}
        height={150}
      />
    </>
  );
}

function largest(values: Float32Array): number {
  return values.indexOf(Math.max(...values));
}

/** Saves an image, each pixel rounded to a byte. */
async function downloadPng(pixels: Float32Array, name: string): Promise<void> {
  const canvas = new OffscreenCanvas(SIZE, SIZE);
  const rgba = new Uint8ClampedArray(4 * SIZE * SIZE).fill(255);
  pixels.forEach((value, index) => rgba.fill(255 * value, 4 * index, 4 * index + 3));
  canvas.getContext('2d')?.putImageData(new ImageData(rgba, SIZE, SIZE), 0, 0);
  save(await canvas.convertToBlob({ type: 'image/png' }), name);
}
