import { KernelError } from './errors.js';

/**
 * The one templating step of the kernels. A `.wgsl` file is specialised by constants:
 *
 *  - a prelude after the file's `enable`/`requires` lines: `{ TM: 8 }` gives `const TM: u32 = 8u;`, `{ SYM: true }` gives
 *    `const SYM: bool = true;`, `{ T: 'f32' }` gives `alias T = f32;` (other strings only serve `$NAME` and `//#if`)
 *  - `//#unroll i 0 TM` ... `//#end` repeats its lines with `$i` replaced by 0, 1, ..., TM - 1
 *  - `//#if NAME`, `//#if !NAME`, `//#if NAME == value` ... `//#else` ... `//#end` keeps one branch; a comparison by `<` or `>` is
 *    of integer arithmetic
 *  - `$NAME` is the raw text of a constant, `$[4 * i + TM]` integer arithmetic over loop variables and constants, in which a
 *    comparison by `<` or `>` is 0 or 1
 *
 * Unrolling is for register tiles: a WGSL array indexed by a loop variable lives in memory on the software adapters.
 */

/** Values that specialise a kernel. */
export type Constants = Readonly<Record<string, number | boolean | string>>;

const WGSL_TYPE = /^(f16|f32|i32|u32|bool|vec[234][fhiu])$/;

type Variables = ReadonlyMap<string, number | boolean | string>;

/** The WGSL text of `source` specialised by `constants`; `name` is for error messages. */
export function specialise(name: string, source: string, constants: Constants = {}): string {
  const variables: Variables = new Map(Object.entries(constants));
  const head: string[] = [];
  const body: string[] = [];
  for (const line of expand(name, source.split('\n'), variables)) {
    (/^\s*(enable|requires)\s/.test(line) ? head : body).push(line);
  }
  return [...head, ...prelude(constants), ...body].join('\n');
}

function prelude(constants: Constants): string[] {
  return Object.entries(constants).flatMap(([name, value]) => {
    if (typeof value === 'boolean') return [`const ${name}: bool = ${value};`];
    if (typeof value === 'string') return WGSL_TYPE.test(value) ? [`alias ${name} = ${value};`] : [];
    return [value < 0 ? `const ${name}: i32 = ${value};` : `const ${name}: u32 = ${value}u;`];
  });
}

function expand(name: string, lines: readonly string[], variables: Variables): string[] {
  const out: string[] = [];
  for (let at = 0; at < lines.length; at++) {
    const line = lines[at] ?? '';
    const directive = /^\s*\/\/#(\w+)\s*(.*?)\s*$/.exec(line);
    if (!directive) {
      out.push(line.includes('$') ? substitute(name, line, variables) : line);
      continue;
    }
    const [, kind, argument = ''] = directive;
    const { end, middle } = findEnd(name, lines, at);
    if (kind === 'unroll') {
      out.push(...unroll(name, argument, lines.slice(at + 1, end), variables));
    } else if (kind === 'if') {
      const kept = holds(name, argument, variables)
        ? lines.slice(at + 1, middle ?? end)
        : lines.slice((middle ?? end) + (middle === undefined ? 0 : 1), end);
      out.push(...expand(name, kept, variables));
    } else {
      throw new KernelError(`${name}.wgsl: unknown directive //#${kind}; expected unroll, if, else or end`);
    }
    at = end;
  }
  return out;
}

function findEnd(name: string, lines: readonly string[], start: number): { end: number; middle: number | undefined } {
  let depth = 0;
  let middle: number | undefined;
  for (let at = start; at < lines.length; at++) {
    const kind = /^\s*\/\/#(\w+)/.exec(lines[at] ?? '')?.[1];
    if (kind === 'unroll' || kind === 'if') depth++;
    if (kind === 'else' && depth === 1) middle = at;
    if (kind === 'end' && --depth === 0) return { end: at, middle };
  }
  throw new KernelError(`${name}.wgsl: '${lines[start]?.trim()}' on line ${start + 1} of its block has no //#end`);
}

function unroll(name: string, argument: string, body: readonly string[], variables: Variables): string[] {
  const [variable, from, to] = argument.split(/\s+/);
  if (variable === undefined || from === undefined || to === undefined) {
    throw new KernelError(`${name}.wgsl: '//#unroll ${argument}' needs a variable and two bounds`);
  }
  const out: string[] = [];
  const last = evaluate(name, to, variables);
  for (let value = evaluate(name, from, variables); value < last; value++) {
    out.push(...expand(name, body, new Map([...variables, [variable, value]])));
  }
  return out;
}

function holds(name: string, condition: string, variables: Variables): boolean {
  const equal = /^(\w+)\s*==\s*(\w+)$/.exec(condition);
  if (equal) {
    const [, left = '', right = ''] = equal;
    return String(lookUp(name, left, variables)) === String(variables.get(right) ?? right);
  }
  if (/[<>]/.test(condition)) return evaluate(name, condition, variables) !== 0;
  const negated = condition.startsWith('!');
  const value = variables.get(negated ? condition.slice(1).trim() : condition);
  return negated !== (value !== undefined && value !== false && value !== 0);
}

function lookUp(name: string, variable: string, variables: Variables): number | boolean | string {
  const value = variables.get(variable);
  if (value === undefined) throw new KernelError(`${name}.wgsl: '${variable}' is not among the kernel's constants`);
  return value;
}

function substitute(name: string, line: string, variables: Variables): string {
  return line
    .replace(/\$\[([^\]]*)\]/g, (_, expression: string) => String(evaluate(name, expression, variables)))
    .replace(/\$([A-Z][A-Z0-9_]*|[a-z])/g, (_, variable: string) => String(lookUp(name, variable, variables)));
}

/** Integer arithmetic: < > + - * / % and parentheses over literals, loop variables and constants. */
function evaluate(name: string, expression: string, variables: Variables): number {
  const tokens = expression.match(/\d+|\w+|[-+*/%()<>]/g) ?? [];
  let at = 0;
  const atom = (): number => {
    const token = tokens[at++] ?? '';
    if (token === '(') {
      const value = comparison();
      at++;
      return value;
    }
    if (token === '-') return -atom();
    const value = /^\d+$/.test(token) ? Number(token) : Number(lookUp(name, token, variables));
    if (!Number.isInteger(value)) throw new KernelError(`${name}.wgsl: '${expression}' is not integer arithmetic`);
    return value;
  };
  const product = (): number => {
    let value = atom();
    while (tokens[at] === '*' || tokens[at] === '/' || tokens[at] === '%') {
      const operator = tokens[at++];
      const right = atom();
      value = operator === '*' ? value * right : operator === '/' ? Math.trunc(value / right) : value % right;
    }
    return value;
  };
  const sum = (): number => {
    let value = product();
    while (tokens[at] === '+' || tokens[at] === '-') value += tokens[at++] === '+' ? product() : -product();
    return value;
  };
  const comparison = (): number => {
    const left = sum();
    if (tokens[at] !== '<' && tokens[at] !== '>') return left;
    const below = tokens[at++] === '<';
    const right = sum();
    return Number(below ? left < right : left > right);
  };
  return comparison();
}
