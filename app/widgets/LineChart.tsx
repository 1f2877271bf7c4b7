import { useEffect, useRef } from 'preact/hooks';
import uPlot from 'uplot';
import 'uplot/dist/uPlot.min.css';
import { seenTheme } from '../theme.js';

/** One line of a chart. */
export interface Series {
  readonly name: string;
  /** One per x; null where there is none. */
  readonly values: readonly (number | null)[];
}

/** Lines over a common x, drawn on a canvas: fast enough to follow a run. `label` says what they show. */
export function LineChart(props: {
  readonly label: string;
  readonly x: readonly number[];
  readonly xName: string;
  readonly series: readonly Series[];
  /** Ends of the y axis; by the values unless told. */
  readonly range?: readonly [number, number];
  readonly height?: number;
}) {
  const host = useRef<HTMLDivElement>(null);
  const plot = useRef<uPlot | null>(null);
  const { label, x, xName, series, range, height = 220 } = props;
  const names = series.map(({ name }) => name).join('\n');
  const chosen = seenTheme.value;
  // A new chart for other lines or other colours; its data follow below.
  useEffect(() => {
    const { current } = host;
    if (!current) return undefined;
    const style = getComputedStyle(current);
    const colour = (name: string): string => resolved(current, style.getPropertyValue(name));
    const axis = { stroke: colour('--faint'), grid: { stroke: colour('--line'), width: 1 }, ticks: { show: false } };
    const made = new uPlot(
      {
        width: current.clientWidth || 320,
        height,
        cursor: { show: false },
        // The caption names a single line.
        legend: { live: false, show: names.includes('\n') },
        scales: { x: { time: false }, y: range ? { range: [...range] } : {} },
        axes: [
          { ...axis, size: 30 },
          { ...axis, size: 60 },
        ],
        series: [
          { label: xName },
          ...names.split('\n').map((name, index) => ({
            label: name,
            stroke: colour(`--series-${(index % 8) + 1}`),
            width: 2,
            points: { show: false },
          })),
        ],
      },
      [[], ...names.split('\n').map(() => [])],
      current,
    );
    plot.current = made;
    const resized = new ResizeObserver(() => made.setSize({ width: current.clientWidth, height }));
    resized.observe(current);
    return () => {
      resized.disconnect();
      made.destroy();
      plot.current = null;
    };
  }, [names, chosen, height, xName, range?.[0], range?.[1]]);
  useEffect(() => plot.current?.setData([[...x], ...series.map(({ values }) => [...values])]));
  return (
    <figure class="chart">
      <figcaption>{label}</figcaption>
      <div ref={host} role="img" aria-label={summaryOf(label, series)} />
    </figure>
  );
}

/** `light-dark(...)` as a canvas understands it: the colour that it stands for here. */
function resolved(host: HTMLElement, value: string): string {
  const probe = host.appendChild(document.createElement('span'));
  probe.style.color = value;
  const { color } = getComputedStyle(probe);
  probe.remove();
  return color;
}

/** The last values in words, for those who do not see the lines. */
function summaryOf(label: string, series: readonly Series[]): string {
  const last = series.map(({ name, values }) => {
    const value = values.findLast((each) => each !== null);
    return `${name} ${value?.toPrecision(3) ?? 'not yet'}`;
  });
  return `${label}: ${last.join(', ')}`;
}
