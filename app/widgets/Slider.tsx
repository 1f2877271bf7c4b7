import { useId } from 'preact/hooks';

/** A number chosen by hand, with its name and its value in words beside it. */
export function Slider(props: {
  readonly label: string;
  readonly value: number;
  readonly min: number;
  readonly max: number;
  readonly step: number;
  readonly onInput: (value: number) => void;
  /** How the value reads; as it is unless told. */
  readonly format?: (value: number) => string;
  readonly disabled?: boolean;
}) {
  const id = useId();
  const { label, value, min, max, step, onInput, format = String, disabled = false } = props;
  return (
    <div class="field">
      <label for={id}>{label}</label>
      <input
        id={id}
        type="range"
        {...{ min, max, step, value, disabled }}
        aria-valuetext={format(value)}
        onInput={({ currentTarget }) => onInput(currentTarget.valueAsNumber)}
      />
      <output for={id}>{format(value)}</output>
    </div>
  );
}
