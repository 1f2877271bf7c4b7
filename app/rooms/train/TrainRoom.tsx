import { OBJECTIVES } from '../../../adversarial/objectives/registry.js';
import { MNIST_CLASSES } from '../../../data/mnist.js';
import { DropZone } from '../../widgets/DropZone.js';
import { HeatMap } from '../../widgets/HeatMap.js';
import { LineChart } from '../../widgets/LineChart.js';
import { Problem } from '../../widgets/Problem.js';
import { RunControls } from './RunControls.js';
import { Settings } from './Settings.js';
import {
  curves,
  data,
  isIdle,
  notes,
  problem,
  settings,
  takeFile,
  takePageImages,
  useImages,
  weights,
} from './session.js';
import './train.css';

/** The room where one trains a classifier and watches it become robust. */
export function TrainRoom() {
  return (
    <>
      <Settings objectives={OBJECTIVES} />
      <RunControls />
      <Problem text={problem.value} />
      <Charts />
      {notes.value.length > 0 && (
        <section aria-label="What happened">
          <ul>
            {notes.value.map((note, index) => (
              <li key={index}>{note}</li>
            ))}
          </ul>
        </section>
      )}
      <section aria-label="Files">
        <details>
          <summary>Your own images, a model to begin with, or a saved run</summary>
          <p>
            It learns from {data.value}.{' '}
            <button disabled={!isIdle.value} onClick={() => void takePageImages()}>
              Take those of the page
            </button>
          </p>
          {isIdle.value ? (
            <div class="columns">
              <DropZone
                label="IDX files: images and labels, of a training and a test set"
                accept=".gz,.idx,.idx3,.idx1,application/gzip,application/octet-stream"
                multiple
                onFiles={useImages}
              />
              <DropZone
                label="A model whose weights to begin with, or a run that was saved: a safetensors file"
                accept=".safetensors"
                onFiles={async ([file]) => {
                  if (file) await takeFile(file);
                }}
              />
            </div>
          ) : (
            <p>Files can be brought once the run has ended.</p>
          )}
          {weights.value && (
            <p>
              The next run begins with {weights.value.name}.{' '}
              <button onClick={() => (weights.value = undefined)}>Begin with random weights</button>
            </p>
          )}
        </details>
      </section>
    </>
  );
}

function Charts() {
  const { steps, terms, batches, measured, maximum } = curves.value;
  const last = measured.at(-1);
  if (!last) return null;
  const share = (right: number, images: number): number => (100 * right) / images;
  const lines = Object.entries(terms).map(([name, values]) => ({ name, values }));
  return (
    <>
      <div class="columns">
        <LineChart label="The loss and its terms" x={steps} xName="step" series={lines} />
        <LineChart
          label="Right on the batches that it learns from, %"
          x={steps}
          xName="step"
          range={PERCENT}
          series={Object.entries(batches).map(([name, values]) => ({ name, values }))}
        />
        <LineChart
          label={`Right on ${last.images} test images, %`}
          x={measured.map((each) => each.step)}
          xName="step"
          range={PERCENT}
          series={[
            { name: 'natural', values: measured.map(({ natural, images }) => share(natural, images)) },
            { name: 'after PGD', values: measured.map(({ robust, images }) => share(robust, images)) },
          ]}
        />
      </div>
      <p role="status" class="reached">
        Step {last.step}: {share(last.natural, last.images).toFixed(0)} % right, and{' '}
        <strong>{share(last.robust, last.images).toFixed(0)} % after PGD</strong> at eps {settings.value.eps}, on{' '}
        {last.images} test images.
      </p>
      <HeatMap
        label={
          `What natural and attacked images are taken for, in % of all; mutual information ` +
          `${last.mutualInformation.toFixed(2)}${maximum === undefined ? '' : ` of at most ${Math.log(MNIST_CLASSES.length).toFixed(2)}`} nats`
        }
        names={MNIST_CLASSES}
        rows="natural"
        columns="attacked"
        values={last.joint}
      />
    </>
  );
}

const PERCENT = [0, 100] as const;
