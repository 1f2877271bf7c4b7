import type { ComponentChildren } from 'preact';

/** What may be wider than the screen, such as a table: it scrolls by itself, also by keyboard. `label` says what it is. */
export function Scroll({ label, children }: { readonly label: string; readonly children: ComponentChildren }) {
  return (
    <div class="scroll" tabIndex={0} role="region" aria-label={label}>
      {children}
    </div>
  );
}
