import { computed, effect, signal } from '@preact/signals';

/** Dark or light, or as the system has it. */
export type Theme = 'system' | 'light' | 'dark';

const KEY = 'bulwark-theme';

/** The chosen theme; kept in the browser. */
export const theme = signal<Theme>(stored());

/** Whether the system is dark. */
const dark = matchMedia('(prefers-color-scheme: dark)');
const systemIsDark = signal(dark.matches);
dark.addEventListener('change', ({ matches }) => (systemIsDark.value = matches));

/** The theme that is seen: for what is drawn rather than styled. */
export const seenTheme = computed(() =>
  theme.value === 'system' ? (systemIsDark.value ? 'dark' : 'light') : theme.value,
);

effect(() => {
  document.documentElement.style.colorScheme = theme.value === 'system' ? 'light dark' : theme.value;
  try {
    localStorage.setItem(KEY, theme.value);
  } catch {
    // Private windows may keep nothing: the choice then lasts as long as the page.
  }
});

function stored(): Theme {
  try {
    const value = localStorage.getItem(KEY);
    return value === 'light' || value === 'dark' ? value : 'system';
  } catch {
    return 'system';
  }
}
