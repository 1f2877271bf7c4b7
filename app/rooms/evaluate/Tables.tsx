import { Scroll } from '../../widgets/Scroll.js';
import { RADII, VERSIONS, inWords, type Findings, type Version } from './findings.js';

type Props = { readonly findings: readonly Findings[] };

const NOT_YET = <span class="faint">not yet</span>;

/** Accuracies with and without an attack, a row for each model. */
export function AccuracyTable({ findings }: Props) {
  const versions = Object.entries(VERSIONS) as [Version, string][];
  return (
    <Scroll label="Accuracies">
      <table class="accuracies">
        <thead>
          <tr>
            <th scope="col">Model</th>
            {versions.map(([version, title]) => (
              <th key={version} scope="col">
                {title}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {findings.map(({ title, accuracies }) => (
            <tr key={title}>
              <th scope="row">{title}</th>
              {versions.map(([version]) => (
                <td key={version}>{accuracies[version] ? inWords(accuracies[version]) : NOT_YET}</td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
    </Scroll>
  );
}

/** The numbers of the curve, a row for each radius. */
export function CurveTable({ findings }: Props) {
  return (
    <details>
      <summary>The numbers of the curve</summary>
      <Scroll label="Accuracies against eps">
        <table>
          <thead>
            <tr>
              <th scope="col">eps</th>
              {findings.map(({ title }) => (
                <th key={title} scope="col">
                  {title}
                </th>
              ))}
            </tr>
          </thead>
          <tbody>
            {RADII.map((radius) => (
              <tr key={radius}>
                <th scope="row">{radius}</th>
                {findings.map(({ title, curve }) => {
                  const point = curve.find(({ eps }) => eps === radius);
                  return <td key={title}>{point ? inWords(point.accuracy) : NOT_YET}</td>;
                })}
              </tr>
            ))}
          </tbody>
        </table>
      </Scroll>
    </details>
  );
}

/** What the sanity checks say of a model, once they were made. */
export function Checks({ findings: { title, sanity } }: { readonly findings: Findings }) {
  if (!sanity) return null;
  return (
    <>
      <h2>
        Sanity checks of {title}: {sanity.verdict}
      </h2>
      <Scroll label={`Sanity checks of ${title}`}>
        <table class="prose">
          <tbody>
            {sanity.checks.map(({ name, verdict, finding, advice }) => (
              <tr key={name}>
                <th scope="row">{name}</th>
                <td class={verdict === 'pass' ? 'right' : 'wrong'}>{verdict}</td>
                <td>
                  {finding}
                  {verdict !== 'pass' && ` (${advice})`}
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      </Scroll>
    </>
  );
}
