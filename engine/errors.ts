/**
 * Every error that bulwark throws on purpose. Messages are one or two lines: the operation, what is wrong with the
 * numbers at hand, and what would be right.
 */

/** Base class of all errors thrown on purpose; `name` is the class name, so it survives a log line; written out, so it survives minifiers. */
export class BulwarkError extends Error {
  override get name(): string {
    return this.constructor === BulwarkError ? 'BulwarkError' : this.constructor.name;
  }
}

/** Shapes, ranks or axes that do not fit an operation. */
export class ShapeError extends BulwarkError {
  override get name(): string {
    return 'ShapeError';
  }
}

/** An element type that an operation does not take. */
export class DTypeError extends BulwarkError {
  override get name(): string {
    return 'DTypeError';
  }
}

/** An option or value outside its domain (negative eps, zero steps, an unknown name). */
export class ArgumentError extends BulwarkError {
  override get name(): string {
    return 'ArgumentError';
  }
}

/** A size that the adapter cannot hold; the message gives both numbers. */
export class LimitError extends BulwarkError {
  override get name(): string {
    return 'LimitError';
  }
}

/** A shader that does not compile, or a dispatch that WebGPU's validation refused. */
export class KernelError extends BulwarkError {
  override get name(): string {
    return 'KernelError';
  }
}

/** The GPU ran out of memory. */
export class OutOfMemoryError extends BulwarkError {
  override get name(): string {
    return 'OutOfMemoryError';
  }
}

/** The device is gone: destroyed, or lost by the driver. Make a new one to go on. */
export class DeviceLostError extends BulwarkError {
  override get name(): string {
    return 'DeviceLostError';
  }
}

/** A tensor was used after it was disposed or after its scope ended. */
export class FreedTensorError extends BulwarkError {
  override get name(): string {
    return 'FreedTensorError';
  }
}

/** Scopes closed out of order: two async scopes of one device interleaved. */
export class ScopeError extends BulwarkError {
  override get name(): string {
    return 'ScopeError';
  }
}

/** Differentiation that cannot be done: no graph, a non-scalar loss without an upstream gradient. */
export class GradError extends BulwarkError {
  override get name(): string {
    return 'GradError';
  }
}

/** A file or byte stream that is not what it should be; the message names the file and the byte. */
export class FormatError extends BulwarkError {
  override get name(): string {
    return 'FormatError';
  }
}

/** No WebGPU adapter could be had. */
export class NoAdapterError extends BulwarkError {
  override get name(): string {
    return 'NoAdapterError';
  }
}

/** A function that cannot be compiled: it looks at values, or does what could not be done again. */
export class CaptureError extends BulwarkError {
  override get name(): string {
    return 'CaptureError';
  }
}

/** An operation computed an infinity or NaN while `detectAnomaly` watched. */
export class AnomalyError extends BulwarkError {
  override get name(): string {
    return 'AnomalyError';
  }
}

/** A browser's file system that is not to be had, is full, or does not have a file: see `reason`. */
export class StorageError extends BulwarkError {
  /** `unavailable`: there is no OPFS here; `full`: no space; `missing`: no such file; `failed`: anything else. */
  readonly reason: 'unavailable' | 'full' | 'missing' | 'failed';

  constructor(reason: StorageError['reason'], message: string, options?: ErrorOptions) {
    super(message, options);
    this.reason = reason;
  }

  override get name(): string {
    return 'StorageError';
  }
}
