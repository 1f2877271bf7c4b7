/**
 * Trains the network for MNIST by every objective that has a name, each by a command of its own, and prints what came of them side by side
 * as a Markdown table. Arguments go to `bulwark train`; unless told: 100 steps.
 */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import process from 'node:process';
import { pathToFileURL } from 'node:url';
import { main, root, setUp } from './setup.mjs';

/** What every line of the metrics has beside the objective's own terms. */
const COMMON = new Set([
  'step',
  'epoch',
  'lr',
  'eps',
  'total',
  'stepsPerSecond',
  'naturalAccuracy',
  'adversarialAccuracy',
]);

main(async () => {
  setUp();
  const { OBJECTIVES } = await import(pathToFileURL(join(root, 'dist', 'index.js')).href);
  const folder = mkdtempSync(join(tmpdir(), 'bulwark-objectives-'));
  const given = process.argv.slice(2);
  const length = given.some((option) => /^--(steps|epochs)/.test(option)) ? [] : ['--steps', '100'];
  try {
    const rows = OBJECTIVES.map(({ name }) => {
      const out = join(folder, name);
      const args = [join(root, 'dist', 'cli.js'), 'train', '--objective', name, ...length, ...given, '--out', out];
      const { status } = spawnSync(process.execPath, args, { stdio: ['ignore', process.stderr, process.stderr] });
      if (status !== 0) throw new Error(`bulwark train --objective ${name} ended with status ${status}`);
      return row(name, out);
    });
    const head = ['objective', 'terms of the last step', 'natural', 'FGSM', 'PGD-20', 'steps/s'];
    for (const cells of [head, head.map(() => '---'), ...rows]) console.log(`| ${cells.join(' | ')} |`);
    return 0;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});

/** A row of the table: the last step's terms, and the accuracies of the evaluation after it. */
function row(name, folder) {
  const lines = readFileSync(join(folder, 'metrics.jsonl'), 'utf8').trim().split('\n').map(JSON.parse);
  const steps = lines.filter(({ step }) => step !== undefined);
  const last = steps.at(-1) ?? {};
  // `miMax` is the largest value that `mi` can have, `belowMax` a term of its own.
  const isMaximum = (key) => key.endsWith('Max') && key.slice(0, -'Max'.length) in last;
  const terms = Object.entries(last).filter(([key]) => !COMMON.has(key) && !isMaximum(key));
  const accuracy = (version) => {
    const found = lines.find(({ evaluation }) => evaluation === version);
    return found ? `${(100 * found.accuracy).toFixed(1)} %` : '';
  };
  const rates = steps.map(({ stepsPerSecond }) => stepsPerSecond).sort((a, b) => a - b);
  const rate = rates[rates.length >> 1] ?? 0;
  const words = terms.map(([key, value]) => `${key} ${Number(value).toFixed(3)}`).join(', ');
  return [name, words, accuracy('natural'), accuracy('fgsm'), accuracy('pgd-20'), rate.toPrecision(2)];
}
