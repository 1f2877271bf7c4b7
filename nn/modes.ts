import type { Module } from './module.js';

/** Takes note of the mode of a module and of everything in it; the function returned gives each its own back. */
export function rememberModes(model: Module): () => void {
  const modes = model.modules().map((module) => [module, module.training] as const);
  return () => {
    for (const [module, training] of modes) module.training = training;
  };
}
