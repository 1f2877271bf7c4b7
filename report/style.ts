/**
 * The style sheet of reports and of the playground. Both colour schemes take their colours from the variables at the top; `color-scheme`
 * on the root chooses one.
 */
export const STYLE = `
:root {
  color-scheme: light dark;
  --ground: light-dark(#ffffff, #14171b);
  --panel: light-dark(#f5f6f8, #1e2329);
  --ink: light-dark(#1b1f24, #e8eaed);
  --faint: light-dark(#5c6670, #a3adb8);
  --line: light-dark(#d5dae0, #3a424c);
  --series-1: light-dark(#0b6bcb, #6cb2ff);
  --series-2: light-dark(#c4480c, #ff9a5c);
  --series-3: light-dark(#0f7b55, #4fd0a0);
  --series-4: light-dark(#7a3fc0, #c49bff);
  --series-5: light-dark(#b0206a, #ff8fc0);
  --series-6: light-dark(#7a6200, #e0c040);
  --series-7: light-dark(#00708a, #5cd0e8);
  --series-8: light-dark(#5d6470, #a8b0bc);
  --heat-0: light-dark(#eef2f7, #20262d);
  --heat-1: light-dark(#0b4f9c, #8cc4ff);
  --heat-text-0: light-dark(#1b1f24, #e8eaed);
  --heat-text-1: light-dark(#ffffff, #0d1116);
  --good: light-dark(#0f7b55, #4fd0a0);
  --bad: light-dark(#b3261e, #ff8a80);
}
* { box-sizing: border-box; }
body { margin: 0; background: var(--ground); color: var(--ink); font: 16px/1.5 system-ui, sans-serif; }
main { max-width: 68rem; margin: 0 auto; padding: 2rem 1.25rem 4rem; }
h1 { font-size: 1.7rem; line-height: 1.2; margin: 0 0 .4rem; }
h2 { font-size: 1.25rem; margin: 2.6rem 0 .6rem; padding-top: 1rem; border-top: 1px solid var(--line); }
h3 { font-size: 1.02rem; margin: 1.4rem 0 .4rem; }
p { margin: .4rem 0; max-width: 46rem; }
.faint, figcaption, caption { color: var(--faint); }
table { border-collapse: collapse; margin: .6rem 0; font-variant-numeric: tabular-nums; }
caption { text-align: left; padding-bottom: .4rem; }
th, td { text-align: left; padding: .35rem .9rem .35rem 0; border-bottom: 1px solid var(--line); vertical-align: middle; }
thead th { border-bottom-width: 2px; }
th[scope=row] { font-weight: 600; }
.scroll { overflow-x: auto; }
.charts { display: flex; flex-wrap: wrap; gap: 1rem; }
.curves { display: grid; grid-template-columns: repeat(auto-fill, minmax(19rem, 1fr)); gap: 1rem; }
.curves svg { width: 100%; height: auto; }
.charts figure, .curves figure { background: var(--panel); border-radius: .5rem; padding: .8rem .9rem .4rem; margin: 0; }
figure { margin: .6rem 0; }
figcaption { font-size: .9rem; margin-bottom: .3rem; }
figcaption strong { color: var(--ink); }
.key { display: inline-block; width: .8em; height: .8em; border-radius: 50%; margin: 0 .35em 0 .7em; }
.key.k0 { background: var(--series-1); } .key.k1 { background: var(--series-2); }
.key.k2 { background: var(--series-3); } .key.k3 { background: var(--series-4); }
.key.k4 { background: var(--series-5); } .key.k5 { background: var(--series-6); }
.key.k6 { background: var(--series-7); } .key.k7 { background: var(--series-8); }
.row { display: flex; gap: .4rem; }
.pixels { width: 84px; height: 84px; image-rendering: pixelated; display: block; border: 1px solid var(--line); }
.examples td { padding: .4rem .8rem .4rem 0; vertical-align: top; }
.together { white-space: nowrap; }
.examples small { display: block; color: var(--faint); }
.right { color: var(--good); font-weight: 600; } .wrong { color: var(--bad); font-weight: 600; }
.scale { display: inline-block; width: 9rem; height: .8rem; border: 1px solid var(--line); vertical-align: middle;
  margin: 0 .5rem; background: linear-gradient(90deg, rgb(33,102,172), #fff, rgb(178,24,43)); }
.warning { border-left: 3px solid var(--bad); padding: .2rem 0 .2rem .8rem; }
ul { padding-left: 1.2rem; }
`;
