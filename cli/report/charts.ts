/** The report's charts, as SVG that takes the page's colours. Drawn by Observable Plot on a document without a browser. */
import * as Plot from '@observablehq/plot';
import { parseHTML } from 'linkedom';
import type { Proportion } from '../../adversarial/statistics.js';
import { Html, SERIES } from '../../report/html.js';

/** A series of numbers over training steps. */
export interface Series {
  readonly name: string;
  readonly points: readonly { readonly step: number; readonly value: number }[];
}

/** Points of a drawn curve: enough for its shape, few enough for a small file. */
const BINS = 120;

/** The page's colours of series, in their order; see `style.ts`. */
const COLOURS = Array.from({ length: SERIES }, (_, index) => `var(--series-${index + 1})`);

/** The colour of a series by its number. */
export function seriesColour(index: number): string {
  return COLOURS[index % COLOURS.length] ?? 'currentColor';
}

interface Bin {
  readonly step: number;
  readonly mean: number;
  readonly low: number;
  readonly high: number;
}

/** Averages and extremes of neighbouring steps. */
export function binned({ points }: Series, bins = BINS): Bin[] {
  const size = Math.max(1, Math.ceil(points.length / bins));
  const result: Bin[] = [];
  for (let start = 0; start < points.length; start += size) {
    const values = points.slice(start, start + size).map(({ value }) => value);
    const middle = points[Math.min(points.length - 1, start + Math.floor(size / 2))];
    const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
    result.push({ step: middle?.step ?? start, mean, low: Math.min(...values), high: Math.max(...values) });
  }
  return result;
}

/** Curves over the steps in one chart: averages as lines, the range of the single steps as a band behind unless `bands` is false. */
export function curves(
  series: readonly Series[],
  {
    label,
    percent = false,
    width = 305,
    bands = true,
  }: { label: string; percent?: boolean; width?: number; bands?: boolean },
): Html {
  const scale = percent ? 100 : 1;
  const marks = series.flatMap((one, index) => {
    const data = binned(one);
    const stroke = seriesColour(index);
    const band = Plot.areaY(data, {
      x: 'step',
      y1: (bin: Bin) => bin.low * scale,
      y2: (bin: Bin) => bin.high * scale,
      fill: stroke,
      fillOpacity: 0.18,
    });
    return [
      ...(bands ? [band] : []),
      Plot.line(data, {
        x: 'step',
        y: (bin: Bin) => bin.mean * scale,
        stroke,
        strokeWidth: 1.75,
        // Colours come again: dashes tell those lines from the first.
        ...(index >= SERIES && { strokeDasharray: '5 3' }),
      }),
    ];
  });
  return draw({
    width,
    height: 190,
    marginLeft: 50,
    ariaLabel: label,
    x: { label: 'step', ticks: 5, nice: true },
    y: {
      label: percent ? '%' : null,
      grid: true,
      ticks: 5,
      nice: true,
      ...(percent ? { domain: [0, 100] } : { tickFormat: '.3~g' }),
    },
    marks,
  });
}

/** One accuracy of one model. */
export interface AccuracyPoint {
  readonly run: string;
  readonly version: string;
  readonly accuracy: Proportion;
}

/** Accuracies with their intervals: a row for each version of the images, a colour for each of the `runs`, in their order. */
export function accuracyChart(
  points: readonly AccuracyPoint[],
  label: string,
  runs: readonly string[] = [...new Set(points.map(({ run }) => run))],
): Html {
  const versions = [...new Set(points.map(({ version }) => version))];
  const gap = Math.min(0.22, 0.8 / runs.length);
  const rows = points.map(({ run, version, accuracy }) => ({
    version,
    // Rows of several models lie side by side rather than on each other.
    place: versions.indexOf(version) + (runs.indexOf(run) - (runs.length - 1) / 2) * gap,
    colour: seriesColour(runs.indexOf(run)),
    value: 100 * accuracy.value,
    low: 100 * accuracy.low,
    high: 100 * accuracy.high,
  }));
  type Row = (typeof rows)[number];
  return draw({
    width: 560,
    height: 56 + Math.max(40, 12 * runs.length) * versions.length,
    marginLeft: 90,
    marginRight: 24,
    ariaLabel: label,
    x: { domain: [0, 100], label: 'accuracy, %', grid: true },
    y: {
      domain: [-0.5, versions.length - 0.5],
      reverse: true,
      ticks: versions.map((_, index) => index),
      tickFormat: (index: number) => versions[index] ?? '',
      tickSize: 0,
      label: null,
    },
    marks: [
      Plot.ruleY(rows, { y: 'place', x1: 'low', x2: 'high', stroke: (row: Row) => row.colour, strokeWidth: 3 }),
      Plot.dot(rows, { y: 'place', x: 'value', fill: (row: Row) => row.colour, r: 5 }),
    ],
    color: { type: 'identity' },
  });
}

/** An accuracy against a setting of the attack, with its intervals. */
export function accuracyCurveChart(
  points: readonly { readonly value: number; readonly accuracy: Proportion }[],
  setting: string,
  label: string,
): Html {
  const data = points.map(({ value, accuracy }) => ({
    x: value,
    y: 100 * accuracy.value,
    low: 100 * accuracy.low,
    high: 100 * accuracy.high,
  }));
  const stroke = seriesColour(0);
  return draw({
    width: 305,
    height: 190,
    marginLeft: 50,
    ariaLabel: label,
    x: { label: setting, ticks: 5, nice: true },
    y: { label: 'accuracy, %', grid: true, domain: [0, 100], ticks: 5 },
    marks: [
      Plot.areaY(data, { x: 'x', y1: 'low', y2: 'high', fill: stroke, fillOpacity: 0.18 }),
      Plot.line(data, { x: 'x', y: 'y', stroke, strokeWidth: 1.75 }),
      Plot.dot(data, { x: 'x', y: 'y', fill: stroke, r: 3 }),
    ],
  });
}

/** What the axes of a heat map are. */
export interface HeatMapAxes {
  readonly x: string;
  readonly y: string;
}

/** A joint distribution as a heat map, in per cent; unless told, of natural classes (rows) and adversarial ones. */
export function heatMap(
  distribution: readonly (readonly number[])[],
  label: string,
  axes: HeatMapAxes = { x: 'class given to the adversarial image', y: 'class given to the natural image' },
): Html {
  const cells = distribution.flatMap((row, a) => row.map((value, b) => ({ a, b, value: 100 * value })));
  const largest = Math.max(...cells.map(({ value }) => value), 1e-9);
  type Cell = (typeof cells)[number];
  // Most of the mass is on the diagonal: the root shows the rest too.
  const strength = ({ value }: Cell): number => Math.sqrt(value / largest);
  const few = distribution.length <= 20;
  return draw({
    width: 430,
    height: 430,
    marginLeft: 48,
    marginTop: 44,
    marginRight: 8,
    marginBottom: 8,
    ariaLabel: label,
    x: { type: 'band', label: axes.x, axis: 'top', tickSize: 0, padding: 0.04 },
    y: { type: 'band', label: axes.y, tickSize: 0, padding: 0.04 },
    marks: [
      Plot.cell(cells, { x: 'b', y: 'a', fill: 'var(--heat-0)' }),
      Plot.cell(cells, { x: 'b', y: 'a', fill: 'var(--heat-1)', fillOpacity: strength }),
      ...(few
        ? [
            Plot.text(cells, {
              x: 'b',
              y: 'a',
              text: ({ value }: Cell) => (value >= 0.05 ? value.toFixed(1) : ''),
              fill: (cell: Cell) => (strength(cell) > 0.6 ? 'var(--heat-text-1)' : 'var(--heat-text-0)'),
              fontSize: 10,
            }),
          ]
        : []),
    ],
    color: { type: 'identity' },
    opacity: { type: 'identity' },
  });
}

function draw(options: Plot.PlotOptions): Html {
  const { document } = parseHTML('<!doctype html><html><body></body></html>');
  const plot = Plot.plot({ ...options, document, className: 'plot' });
  plot.setAttribute('role', 'img');
  return new Html(plot.outerHTML);
}
