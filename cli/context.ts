/** What a command has of the world around it. */
export interface Context {
  /** Takes results. */
  readonly out: (text: string) => void;
  /** Takes everything else: notes, progress, errors. */
  readonly err: (text: string) => void;
  /** Where a progress bar may be drawn, if anywhere. */
  readonly terminal?: NodeJS.WritableStream | undefined;
  /** Asks the command to stop, when the user does. */
  readonly signal: AbortSignal;
}

/** Runs a command's work, which returns the exit code. */
export type RunCommand = (work: (context: Context) => Promise<number>) => Promise<void>;
