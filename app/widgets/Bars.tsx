/** Shares of classes, 0 to 1 each, as bars with their numbers; `before`, where given, is marked on each that it is of any size. */
export function Bars(props: {
  readonly label: string;
  readonly names: readonly string[];
  readonly values: ArrayLike<number>;
  readonly before?: ArrayLike<number>;
}) {
  const { label, names, values, before } = props;
  return (
    <table class="bars">
      <caption>{label}</caption>
      <tbody>
        {names.map((name, index) => (
          <tr key={name}>
            <th scope="row">{name}</th>
            <td>
              <span class="bar" style={{ width: `${100 * (values[index] ?? 0)}%` }} />
              {(before?.[index] ?? 0) >= SEEN && (
                <span class="mark" style={{ left: `${100 * (before?.[index] ?? 0)}%` }} />
              )}
            </td>
            <td class="number">{(100 * (values[index] ?? 0)).toFixed(1)} %</td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}

/** Smaller shares would be marks at the edge. */
const SEEN = 0.005;
