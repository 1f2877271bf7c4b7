import { markdownTable } from '../markdown.js';
import { accuracyRows, differingSettings, doubtsOf } from './comparison.js';
import type { ComparedRun } from './run-folder.js';

/** Accuracies and differing settings of several runs as a page of Markdown. */
export function comparisonMarkdown(runs: readonly ComparedRun[]): string {
  const differing = differingSettings(runs);
  return `${[
    `# ${runs.length} runs side by side`,
    ...doubtsOf(runs).map((text) => `**Warning**: ${text}.`),
    '## Accuracies, with 95 % intervals (Wilson)',
    markdownTable(accuracyRows(runs)),
    '## Settings that differ',
    differing.length === 1 ? 'None.' : markdownTable(differing),
    '## Folders',
    runs.map(({ name, folder }) => `- ${name}: \`${folder}\``).join('\n'),
  ].join('\n\n')}\n`;
}
