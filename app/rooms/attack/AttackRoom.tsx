import { Choice } from '../../widgets/Choice.js';
import { Problem } from '../../widgets/Problem.js';
import { Slider } from '../../widgets/Slider.js';
import { ATTACK_TITLES, STEPPING } from './attacks.js';
import { attack, busy, eps, problem, sides, specimen, steps } from './session.js';
import { SidePanel } from './SidePanel.js';
import { SpecimenPicker } from './SpecimenPicker.js';
import './attack.css';

/** The room where one changes a digit a little and sees which model is fooled. */
export function AttackRoom() {
  const name = attack.value;
  return (
    <>
      <SpecimenPicker />
      <section aria-label="The attack" class="panel controls">
        <Slider
          label="How far each pixel may move (eps)"
          value={eps.value}
          min={0}
          max={0.5}
          step={0.01}
          disabled={name === 'deepfool'}
          format={(value) => value.toFixed(2)}
          onInput={(value) => (eps.value = value)}
        />
        <Choice label="Attack" value={name} options={ATTACK_TITLES} onChange={(chosen) => (attack.value = chosen)} />
        <Slider
          label="Steps"
          value={steps.value}
          min={1}
          max={40}
          step={1}
          disabled={!STEPPING.has(name)}
          onInput={(value) => (steps.value = value)}
        />
        <p class="faint busy" role="status">
          {busy.value ? (specimen.value ? 'attacking ...' : 'loading ...') : ''}
        </p>
      </section>
      <Problem text={problem.value} />
      <div class="columns">
        {sides.value.map((side) => (
          <SidePanel key={side.id} side={side} />
        ))}
      </div>
    </>
  );
}
