/** HTML that is safe by construction: whatever is put into a template is escaped, unless it is HTML already. */

/** A piece of HTML. */
export class Html {
  constructor(readonly text: string) {}
}

/** What a template takes: text, numbers, HTML, lists of these; undefined and false leave nothing. */
export type Part = string | number | Html | undefined | false | readonly Part[];

/** Tag for templates of HTML. */
export function html(strings: TemplateStringsArray, ...parts: readonly Part[]): Html {
  return new Html(strings.reduce((text, string, index) => text + render(parts[index - 1]) + string));
}

function render(part: Part): string {
  if (part === undefined || part === false) return '';
  if (part instanceof Html) return part.text;
  return typeof part === 'object' ? part.map(render).join('') : escapeHtml(String(part));
}

/** Text as HTML shows it, in elements and in quoted attributes. */
export function escapeHtml(text: string): string {
  return text
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replaceAll('"', '&quot;')
    .replaceAll("'", '&#39;');
}

/** How many colours the style sheet has for series. */
export const SERIES = 8;

/** The coloured mark of a series, by its number, with its name; see `style.ts`. */
export function seriesKey(index: number, name: string): Html {
  return html` <span class="together"><span class="key k${index % SERIES}"></span>${name}</span>`;
}
