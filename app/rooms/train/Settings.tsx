import { useId } from 'preact/hooks';
import type { ObjectiveEntry } from '../../../adversarial/index.js';
import { Choice } from '../../widgets/Choice.js';
import { Slider } from '../../widgets/Slider.js';
import { change, isIdle, settings, weights } from './session.js';
import type { TrainSettings } from './settings.js';

/** How a run is to be; in a run, only the weights of the objective's terms can be changed. */
export function Settings({ objectives }: { readonly objectives: readonly ObjectiveEntry[] }) {
  const chosen = settings.value;
  const isFixed = !isIdle.value;
  const set = (changes: Partial<TrainSettings>): void => void (settings.value = { ...settings.value, ...changes });
  const titles: Record<string, string> = Object.fromEntries(objectives.map(({ name }) => [name, name]));
  const entry = objectives.find(({ name }) => name === chosen.objective.name);
  return (
    <section aria-label="Settings" class="panel">
      <div class="controls">
        <Choice
          label="Objective"
          value={chosen.objective.name}
          options={titles}
          disabled={isFixed}
          onChange={(name) => {
            const other = objectives.find((each) => each.name === name);
            if (other) set({ objective: { name, options: numbersOf(other) } });
          }}
        />
        {Object.entries(chosen.objective.options).map(([name, value]) => (
          <NumberField
            key={name}
            label={name}
            value={value}
            step={0.05}
            min={0}
            onChange={(next) => {
              const options = { ...chosen.objective.options, [name]: next };
              void change({ ...chosen.objective, options });
            }}
          />
        ))}
        <Slider
          label="eps"
          value={chosen.eps}
          min={0}
          max={0.4}
          step={0.01}
          format={(value) => value.toFixed(2)}
          disabled={isFixed}
          onInput={(eps) => set({ eps })}
        />
      </div>
      <p class="faint">{entry?.summary}</p>
      <details>
        <summary>More settings</summary>
        <div class="controls">
          <NumberField
            label="Steps"
            value={chosen.steps}
            {...whole(1, 5000)}
            disabled={isFixed}
            onChange={(steps) => set({ steps })}
          />
          <NumberField
            label="Images in a batch"
            value={chosen.batchSize}
            {...whole(1, 512)}
            disabled={isFixed}
            onChange={(batchSize) => set({ batchSize })}
          />
          <NumberField
            label="Steps of the attack"
            value={chosen.attackSteps}
            {...whole(1, 40)}
            disabled={isFixed}
            onChange={(attackSteps) => set({ attackSteps })}
          />
          <NumberField
            label="Learning rate"
            value={chosen.lr}
            min={0}
            step={0.005}
            disabled={isFixed}
            onChange={(lr) => set({ lr })}
          />
          <NumberField
            label={weights.value ? 'Width of the network, that of the file' : 'Width of the network'}
            value={weights.value?.width ?? chosen.width}
            min={0.125}
            max={1}
            step={0.125}
            disabled={isFixed || weights.value !== undefined}
            onChange={(width) => set({ width })}
          />
          <NumberField
            label="Seed"
            value={chosen.seed}
            {...whole(0, 2 ** 31 - 1)}
            disabled={isFixed}
            onChange={(seed) => set({ seed })}
          />
          <NumberField
            label="Steps between measurements"
            value={chosen.measureEvery}
            {...whole(1, 1000)}
            disabled={isFixed}
            onChange={(measureEvery) => set({ measureEvery })}
          />
          <NumberField
            label="Test images to measure on"
            value={chosen.measureOn}
            {...whole(10, 1000)}
            disabled={isFixed}
            onChange={(measureOn) => set({ measureOn })}
          />
        </div>
      </details>
    </section>
  );
}

/** The options of an objective that are numbers, at their defaults; those of MIMAE-AT as the recommended preset has them. */
function numbersOf({ name, defaults }: ObjectiveEntry): Record<string, number> {
  const numbers = Object.entries(defaults).flatMap(([key, value]) => (typeof value === 'number' ? [[key, value]] : []));
  const found = Object.fromEntries(numbers) as Record<string, number>;
  return name === 'mimae-at' ? { ...found, beta: 0.1 } : found;
}

function whole(min: number, max: number): { readonly min: number; readonly max: number; readonly step: number } {
  return { min, max, step: 1 };
}

function NumberField(props: {
  readonly label: string;
  readonly value: number;
  readonly min: number;
  readonly max?: number;
  readonly step: number;
  readonly disabled?: boolean;
  readonly onChange: (value: number) => void;
}) {
  const id = useId();
  const { label, value, min, max, step, disabled = false, onChange } = props;
  return (
    <div class="field">
      <label for={id}>{label}</label>
      <input
        id={id}
        type="number"
        {...{ value, min, step, disabled, ...(max !== undefined && { max }) }}
        onChange={({ currentTarget }) => {
          const { valueAsNumber: next } = currentTarget;
          // What is no number of the range is taken back.
          if (next >= min && next <= (max ?? Infinity)) onChange(next);
          else currentTarget.valueAsNumber = value;
        }}
      />
    </div>
  );
}
