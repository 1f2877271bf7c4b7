/**
 * Sets up, checks format, lint (import directions among it) and types, and runs the tests on every row meanwhile. Arguments go to Vitest.
 * BULWARK_ROWS names the rows: adapters in Node.js, and `chromium`, the browser; by default lavapipe, the embedded SwiftShader and the browser.
 * The last line printed is the count of tests.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import process from 'node:process';
import { browserFault } from './browser.mjs';
import { probe, root, setUp } from './setup.mjs';

const CHECKS = {
  format: [bin('prettier/bin/prettier.cjs'), '--check', '--log-level=warn', '.'],
  lint: [bin('eslint/bin/eslint.js'), '.', '--max-warnings', '0'],
  types: [bin('typescript/bin/tsc'), '--noEmit'],
  package: [join(root, 'scripts', 'check-package.mjs')],
};

const failures = [];
let counts = { passed: 0, failed: 0, skipped: 0 };
try {
  const named = process.env.BULWARK_ROWS;
  const wanted = (named ?? 'lavapipe,swiftshader,chromium').split(',');
  setUp({ lavapipe: wanted.includes('lavapipe') });
  const strict =
    named !== undefined || (process.platform === 'linux' && (process.getuid() === 0 || Boolean(process.env.CI)));
  const rows = await availableRows(wanted, strict);
  const checks = Object.entries(CHECKS).map(([name, command]) => check(name, command));
  [counts] = await Promise.all([runTests(rows), ...checks]);
} catch (error) {
  failures.push(error instanceof Error ? error.message : String(error));
}
for (const failure of failures) console.log(`FAILED: ${failure}`);
console.log(`${counts.passed} passed, ${counts.failed} failed, ${counts.skipped} skipped`);
process.exitCode = failures.length > 0 ? 1 : 0;

/**
 * Those of the rows that can be had here. Where they all can, one that is missing is a failure: where they were named, as root, and in
 * CI, on Linux.
 */
async function availableRows(wanted, strict) {
  const found = [];
  for (const row of wanted) {
    const error = row === 'chromium' ? await browserFault() : probe(row).error;
    if (error === undefined) {
      found.push(row);
      continue;
    }
    console.log(`test: the ${row} row is left out: ${error}`);
    if (strict) failures.push(`the ${row} row cannot run on this machine`);
  }
  return found.length > 0 ? found : [probe().choice.kind];
}

/** A script of a package that is installed. */
function bin(path) {
  return join(root, 'node_modules', path);
}

/** Runs one check, printing what it says when it ends, and notes its failure. */
async function check(name, command) {
  const child = spawn(process.execPath, command, { cwd: root, stdio: ['ignore', 'pipe', 'pipe'] });
  const chunks = [];
  child.stdout.on('data', (chunk) => chunks.push(chunk));
  child.stderr.on('data', (chunk) => chunks.push(chunk));
  const [status] = await once(child, 'close');
  const said = Buffer.concat(chunks).toString().trimEnd();
  console.log(`check ${name}: ${status === 0 ? 'passed' : 'FAILED'}${said === '' ? '' : `\n${said}`}`);
  if (status !== 0) failures.push(`check ${name}`);
}

/** Runs Vitest, and counts by its own record: a file that could not be loaded is a failure too. */
async function runTests(rows) {
  const folder = mkdtempSync(join(tmpdir(), 'bulwark-test-'));
  const record = join(folder, 'results.json');
  const reporters = ['--reporter=default', '--reporter=json', `--outputFile.json=${record}`];
  try {
    const vitest = spawn(process.execPath, [bin('vitest/vitest.mjs'), 'run', ...reporters, ...process.argv.slice(2)], {
      cwd: root,
      stdio: ['ignore', 'inherit', 'inherit'],
      env: { ...process.env, BULWARK_ROWS: rows.join(',') },
    });
    const [status] = await once(vitest, 'close');
    if (!existsSync(record)) {
      failures.push('the test runner left no record');
      return counts;
    }
    const results = JSON.parse(readFileSync(record, 'utf8'));
    const broken = results.testResults.filter((file) => file.status === 'failed' && file.assertionResults.length === 0);
    if (status !== 0) failures.push('tests');
    if (results.numTotalTests === 0) failures.push('no tests ran');
    return {
      passed: results.numPassedTests,
      failed: results.numFailedTests + broken.length,
      skipped: results.numPendingTests + (results.numTodoTests ?? 0),
    };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
