import { goalOf } from '../../../bench/goals.js';
import type { Measurement, Timing } from '../../../bench/measure.js';
import { formatMs, formatRatio, rateOf, type Results } from '../../../bench/results.js';
import { Scroll } from '../../widgets/Scroll.js';

/** How many times faster fills a bar. */
const FULL = 64;

/** What was measured so far: a table for each group, with how many times faster bulwark is as bars on a logarithmic scale. */
export function ResultTables({ results }: { readonly results: Results }) {
  const { measurements, failures, driver, versions } = results;
  const groups = [...new Set(measurements.map(({ group }) => group))];
  const libraries = Object.entries(versions).map(([name, version]) => `${name} ${version}`);
  return (
    <>
      <p class="faint">
        {driver}; {libraries.join(', ')}
      </p>
      {groups.map((group) => (
        <Group key={group} group={group} rows={measurements.filter((each) => each.group === group)} />
      ))}
      {failures.map(({ name, reason }) => (
        <p key={name} class="warning">
          {name} failed: {reason}
        </p>
      ))}
    </>
  );
}

function Group({ group, rows }: { readonly group: string; readonly rows: readonly Measurement[] }) {
  const others = [...new Set(rows.flatMap(({ timings }) => timings.slice(1).map(({ contender }) => contender)))];
  return (
    <section class="group">
      <h2>{group}</h2>
      <Scroll label={`Results: ${group}`}>
        <table class="bench">
          {others.length > 0 && (
            <caption>How many times faster bulwark is, as a median, with the least and the most of the rounds</caption>
          )}
          <thead>
            <tr>
              <th scope="col">Case</th>
              <th scope="col">ms</th>
              <th scope="col">Rate</th>
              {others.map((name) => (
                <th key={name} scope="col">
                  over {name}
                </th>
              ))}
            </tr>
          </thead>
          <tbody>
            {rows.map((measurement) => {
              const [own] = measurement.timings;
              return (
                <tr key={measurement.name}>
                  <th scope="row">{measurement.name}</th>
                  <td>{own && formatMs(own.ms.median)}</td>
                  <td>{own && rateOf(measurement, own.ms.median)}</td>
                  {others.map((name) => (
                    <Ratio
                      key={name}
                      measurement={measurement}
                      timing={measurement.timings.find(({ contender }) => contender === name)}
                    />
                  ))}
                </tr>
              );
            })}
          </tbody>
        </table>
      </Scroll>
    </section>
  );
}

function Ratio(props: { readonly measurement: Measurement; readonly timing: Timing | undefined }) {
  const { measurement, timing } = props;
  if (!timing) return <td>not measured</td>;
  const { median } = timing.ratio;
  const bar = goalOf('browser', measurement, timing)?.bar;
  const kind = bar === undefined ? '' : median < bar ? 'wrong' : 'right';
  const share = Math.min(1, Math.max(0, Math.log(median) / Math.log(FULL)));
  return (
    <td>
      <span class={kind}>
        {formatRatio(timing.ratio)}
        {median < 1 ? ', slower' : ''}
      </span>
      <span class="bar" style={{ width: `${100 * share}%` }} />
    </td>
  );
}
