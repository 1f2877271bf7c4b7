import { SERIES, html, type Html } from '../../../report/html.js';
import { RADII, percent, type Findings } from './findings.js';

const WIDTH = 560;
const HEIGHT = 260;
const MARGIN = { left: 48, right: 16, top: 12, bottom: 36 };

/** Accuracy against eps as SVG, in the report's colours, with the intervals as bands. */
export function curveChart(findings: readonly Findings[]): Html {
  const most = RADII.at(-1) ?? 1;
  const x = (eps: number): number => MARGIN.left + ((WIDTH - MARGIN.left - MARGIN.right) * eps) / most;
  const y = (share: number): number => HEIGHT - MARGIN.bottom - (HEIGHT - MARGIN.top - MARGIN.bottom) * share;
  const at = (eps: number, share: number): string => `${x(eps).toFixed(1)},${y(share).toFixed(1)}`;
  const label = findings.map(
    ({ title, curve }) =>
      `${title}: ${curve.map(({ eps, accuracy }) => `${percent(accuracy.value)} % at ${eps}`).join(', ')}`,
  );
  return html`<svg
    viewBox="0 0 ${WIDTH} ${HEIGHT}"
    width="${WIDTH}"
    style="max-width: 100%; height: auto"
    role="img"
    aria-label="Accuracy under PGD-20 against eps. ${label.join('. ')}"
    font-size="12"
    fill="currentColor"
  >
    ${[0, 0.25, 0.5, 0.75, 1].map(
      (share) =>
        html`<line x1="${x(0)}" x2="${x(most)}" y1="${y(share)}" y2="${y(share)}" stroke="var(--line)" />
          <text x="${MARGIN.left - 8}" y="${y(share) + 4}" text-anchor="end">${100 * share} %</text>`,
    )}
    ${RADII.map((eps) => html`<text x="${x(eps)}" y="${HEIGHT - MARGIN.bottom + 18}" text-anchor="middle">${eps}</text>`)}
    <text x="${x(most / 2)}" y="${HEIGHT - 2}" text-anchor="middle">eps</text>
    ${findings.map(({ curve }, index) => {
      const colour = `var(--series-${(index % SERIES) + 1})`;
      const band = [
        ...curve.map(({ eps, accuracy }) => at(eps, accuracy.high)),
        ...curve.toReversed().map(({ eps, accuracy }) => at(eps, accuracy.low)),
      ];
      return html`<polygon points="${band.join(' ')}" fill="${colour}" fill-opacity="0.15" />
        <polyline
          points="${curve.map(({ eps, accuracy }) => at(eps, accuracy.value)).join(' ')}"
          fill="none"
          stroke="${colour}"
          stroke-width="2"
        />
        ${curve.map(
          ({ eps, accuracy }) => html`<circle cx="${x(eps)}" cy="${y(accuracy.value)}" r="3.5" fill="${colour}" />`,
        )}`;
    })}
  </svg>`;
}
