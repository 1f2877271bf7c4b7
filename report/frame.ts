import { Html, html, type Part } from './html.js';
import { STYLE } from './style.js';

/** A whole page that loads nothing from anywhere, with its title as the heading. */
export function htmlPage(title: string, body: Part): string {
  const page = html`<!doctype html>
    <html lang="en">
      <head>
        <meta charset="utf-8" />
        <meta name="viewport" content="width=device-width, initial-scale=1" />
        <title>${title}</title>
        <style>
          ${new Html(STYLE)}
        </style>
      </head>
      <body>
        <main>
          <h1>${title}</h1>
          ${body}
        </main>
      </body>
    </html> `;
  return page.text;
}
