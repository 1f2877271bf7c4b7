import { isQuick } from '../../../bench/names.js';

/** Which cases of the suite. */
export interface CaseChoice {
  /** A handful, or every one. */
  readonly cases: 'quick' | 'all';
  /** Only those whose names contain this, in any case. */
  readonly only: string;
}

/** Whether a case is chosen. */
export function isWanted(name: string, { cases, only }: CaseChoice): boolean {
  return (cases === 'all' || isQuick(name)) && name.toLowerCase().includes(only.trim().toLowerCase());
}
