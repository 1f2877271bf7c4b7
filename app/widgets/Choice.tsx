import { useId } from 'preact/hooks';

/** One of several, by name. */
export function Choice<T extends string>(props: {
  readonly label: string;
  readonly value: T;
  /** What each value is called. */
  readonly options: Readonly<Record<T, string>>;
  readonly onChange: (value: T) => void;
  readonly disabled?: boolean;
}) {
  const id = useId();
  const { label, value, options, onChange, disabled = false } = props;
  return (
    <div class="field">
      <label for={id}>{label}</label>
      <select {...{ id, value, disabled }} onChange={({ currentTarget }) => onChange(currentTarget.value as T)}>
        {Object.entries<string>(options).map(([name, title]) => (
          <option key={name} value={name}>
            {title}
          </option>
        ))}
      </select>
    </div>
  );
}
