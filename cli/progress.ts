import { SingleBar } from 'cli-progress';
import type { Context } from './context.js';
import { formatDuration } from './table.js';

/** How far something has come. */
export interface Progress {
  readonly done: number;
  readonly total: number;
  /** Units per second, lately. */
  readonly rate: number;
  readonly secondsLeft: number;
  /** What else to show, such as the terms of the loss. */
  readonly note?: string;
}

/** Shows how something goes on until `stop`. */
export interface ProgressDisplay {
  show(progress: Progress): void;
  /** Writes a line without disturbing the display. */
  log(text: string): void;
  stop(): void;
}

/** Seconds between two lines where there is no terminal. */
const LINE_SECONDS = 10;

/** A bar on a terminal; elsewhere a line every ten seconds and at the end. */
export function startProgress(context: Context, label: string, unit: string): ProgressDisplay {
  return context.terminal ? barOn(context.terminal, label, unit) : linesOn(context, label, unit);
}

function barOn(stream: NodeJS.WritableStream, label: string, unit: string): ProgressDisplay {
  const bar = new SingleBar({
    format: `${label} [{bar}] {value}/{total} {unit} | {rate}/s | {left} left {note}`,
    stream,
    barsize: 24,
    hideCursor: true,
    linewrap: false,
    gracefulExit: false,
  });
  let started = false;
  return {
    show({ done, total, rate, secondsLeft, note }) {
      const payload = {
        unit,
        rate: formatRate(rate),
        left: formatDuration(secondsLeft),
        note: note === undefined ? '' : `| ${note}`,
      };
      if (started) bar.update(done, payload);
      else bar.start(total, done, payload);
      started = true;
    },
    log(text) {
      if (started) stream.write('\r\u001b[K');
      stream.write(`${text}\n`);
    },
    stop() {
      if (started) bar.stop();
    },
  };
}

function linesOn(context: Context, label: string, unit: string): ProgressDisplay {
  let last = -Infinity;
  return {
    show({ done, total, rate, secondsLeft, note }) {
      const now = performance.now() / 1000;
      if (now - last < LINE_SECONDS && done < total) return;
      last = now;
      const parts = [
        `${label}: ${done}/${total} ${unit}`,
        `${formatRate(rate)}/s`,
        `${formatDuration(secondsLeft)} left`,
        ...(note === undefined ? [] : [note]),
      ];
      context.err(parts.join(' | '));
    },
    log: context.err,
    stop: () => undefined,
  };
}

function formatRate(rate: number): string {
  return rate >= 100 ? rate.toFixed(0) : rate.toPrecision(2);
}
