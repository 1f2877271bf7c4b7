/** The playground: what robustness is, in a page. */
import { render } from 'preact';
import { STYLE } from '../report/style.js';
import { keepForOffline } from './offline/keep.js';
import { Shell } from './Shell.js';
import './style.css';

document.head.prepend(Object.assign(document.createElement('style'), { textContent: STYLE }));
render(<Shell />, document.body);
// boot.js stops watching over the start.
document.documentElement.dataset['started'] = '';
if (import.meta.env.PROD) void keepForOffline();
