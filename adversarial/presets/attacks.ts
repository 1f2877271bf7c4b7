import type { Attack, RecordedAttack } from '../attacks/attack.js';
import { cwLinfAttack } from '../attacks/cw-linf.js';
import { fgsmAttack } from '../attacks/fgsm.js';
import { budgetWarning, pgdAttack } from '../attacks/pgd.js';
import type { Objective } from '../objectives/objective.js';
import type { TrainingAttack } from '../training-attack.js';

/** Projected gradient descent with 20 steps of eps / 10 from a uniform start, which can cross the ball from side to side. */
export function pgd20(eps: number): RecordedAttack {
  // At eps 0 every step ends where it began, but it has to have a length.
  return pgdAttack({ eps, stepSize: eps > 0 ? eps / 10 : 1, steps: 20, start: 'uniform' });
}

/**
 * The attacks of an evaluation at radius `eps`: the fast gradient sign method, and {@link pgd20}.
 */
export function standardAttacks(eps: number): Record<string, Attack> {
  return {
    fgsm: fgsmAttack({ eps }),
    'pgd-20': pgd20(eps),
  };
}

/** {@link standardAttacks} and Carlini and Wagner's loss, since losses that raise a margin look better under cross-entropy alone. */
export function marginAttacks(eps: number): Record<string, Attack> {
  return { ...standardAttacks(eps), cw: cwLinfAttack({ eps }) };
}

/** The attacks that Atsague, Fakorede and Tian (2021) evaluate with, in Linf balls of `eps` with steps of `stepSize`. */
export function paperAttacks(eps: number, stepSize: number, pgdSteps: readonly number[]): Record<string, Attack> {
  return {
    fgsm: fgsmAttack({ eps }),
    ...Object.fromEntries(pgdSteps.map((steps) => [`pgd-${steps}`, pgdAttack({ eps, stepSize, steps })])),
    // The paper gives no number of steps; 30 is that of the scripts which it follows.
    cw: cwLinfAttack({ eps, stepSize, steps: 30, kappa: 50 }),
    'pgd-l2': pgdAttack({ norm: 'l2', eps: 0.5, stepSize: 0.003, steps: 20 }),
  };
}

/** What is doubtful about budgets: that of training, where the objective goes by it, and those of the evaluation, in one sentence each. */
export function budgetDoubts(
  objective: Objective,
  { eps, steps, stepSize = eps / 4 }: TrainingAttack,
  attacks: Readonly<Record<string, Attack>>,
): string[] {
  const training = usesRunsSteps(objective) ? budgetWarning({ eps, steps, stepSize }) : undefined;
  const short = Object.entries(attacks).filter(([, { warnings }]) => warnings.length > 0);
  const names = short.map(([name]) => name).join(', ');
  return [
    ...(training === undefined ? [] : [`training: ${training}`]),
    ...(short.length === 0 ? [] : [`evaluation: attacks that cannot reach the edges of their balls: ${names}`]),
  ];
}

/** Whether the run's number and size of attack steps count. */
function usesRunsSteps({ needs, attackPlan, craft }: Objective): boolean {
  return needs.adversarial && !craft && attackPlan?.steps === undefined;
}
