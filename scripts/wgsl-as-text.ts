import type { Plugin } from 'vite';

/** Kernels are real files, imported as text: for Vite and Vitest. */
export const wgslAsText: Plugin = {
  name: 'wgsl-as-text',
  transform: (code, id) =>
    id.endsWith('.wgsl') ? { code: `export default ${JSON.stringify(code)};`, map: null } : null,
};
