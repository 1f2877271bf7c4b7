import { Scroll } from './Scroll.js';

/** A square of shares with row and column names: darker is more, relative to the largest. A table, so that it can be read cell by cell. */
export function HeatMap(props: {
  readonly label: string;
  readonly names: readonly string[];
  /** What rows and columns are. */
  readonly rows: string;
  readonly columns: string;
  /** Row-major, names x names, none negative. */
  readonly values: ArrayLike<number>;
}) {
  const { label, names, rows, columns, values } = props;
  const most = Math.max(Number.MIN_VALUE, ...Array.from(values));
  return (
    <Scroll label={label}>
      <table class="heat">
        <caption>
          {label}; rows: {rows}, columns: {columns}
        </caption>
        <thead>
          <tr>
            <td />
            {names.map((name) => (
              <th key={name} scope="col">
                {name}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {names.map((name, i) => (
            <tr key={name}>
              <th scope="row">{name}</th>
              {names.map((other, j) => {
                const value = values[i * names.length + j] ?? 0;
                const share = value / most;
                return (
                  <td key={other} style={{ '--share': share }}>
                    {value < 0.0005 ? '' : (100 * value).toFixed(value < 0.0995 ? 1 : 0)}
                  </td>
                );
              })}
            </tr>
          ))}
        </tbody>
      </table>
    </Scroll>
  );
}
