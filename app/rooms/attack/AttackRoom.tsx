import { useEffect } from 'preact/hooks';
import { Choice } from '../../widgets/Choice.js';
import { Problem } from '../../widgets/Problem.js';
import { Slider } from '../../widgets/Slider.js';
import { ATTACKS, mostLikely, type AttackName } from './attacks.js';
import { Commands } from './Commands.js';
import { Side } from './Side.js';
import { Subjects } from './Subjects.js';
import { attack, busy, catchUp, eps, problem, shown, start, steps } from './session.js';
import './attack.css';

/** The most steps that the slider goes to. */
const MOST_STEPS = 50;

const TITLES = Object.fromEntries(Object.entries(ATTACKS).map(([name, { title }]) => [name, title])) as Readonly<
  Record<AttackName, string>
>;

/** The room where one changes a digit a little, and sees what two models make of it. */
export function AttackRoom() {
  useEffect(() => void start(), []);
  const facts = ATTACKS[attack.value];
  return (
    <>
      <Subjects />
      <section class="panel controls attack" aria-label="The attack">
        <Choice
          label="Attack"
          value={attack.value}
          options={TITLES}
          onChange={(name) => {
            attack.value = name;
            steps.value = ATTACKS[name].steps ?? steps.value;
          }}
        />
        <Slider
          label="How far a pixel may change, eps"
          value={eps.value}
          {...{ min: 0, max: 0.5, step: 0.01 }}
          onInput={(value) => (eps.value = value)}
          format={(value) => value.toFixed(2)}
          disabled={!facts.bounded}
        />
        <Slider
          label="Steps"
          value={facts.steps === undefined ? 1 : steps.value}
          {...{ min: 1, max: MOST_STEPS, step: 1 }}
          onInput={(value) => (steps.value = value)}
          disabled={facts.steps === undefined}
        />
      </section>
      <Problem text={problem.value} />
      {problem.value !== undefined && (
        <p>
          <button onClick={() => void start().then(catchUp)}>Try again</button>
        </p>
      )}
      <p role="status" class="verdict">
        {verdict()}
      </p>
      <section class="sides" aria-label="The models" aria-busy={busy.value}>
        <Side side={0} />
        <Side side={1} />
      </section>
      <Commands />
    </>
  );
}

/** What came of the attack, in words. */
function verdict(): string {
  if (!shown.value) return problem.value === undefined ? 'Loading the models ...' : '';
  const { titles, outcomes, subject } = shown.value;
  const readings = outcomes.map(({ before, after }, side) => {
    const [was, is] = [mostLikely(before), mostLikely(after)];
    return was === is
      ? `${titles[side] ?? ''} still reads ${is}`
      : `${titles[side] ?? ''} now reads ${is} instead of ${was}`;
  });
  return `Of ${subject.name}: ${readings.join('; ')}.`;
}
