import type { Plugin } from 'esbuild';

export function publishedText(source: string): string;
export const publishedKernels: Plugin;
