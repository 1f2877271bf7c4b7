/**
 * Every error that bulwark throws on purpose. Messages are one or two lines: the operation, what is wrong with the
 * numbers at hand, and what would be right.
 */

/** Base class of all errors thrown on purpose; `name` is the class name, so it survives a log line. */
export class BulwarkError extends Error {
  override get name(): string {
    return this.constructor.name;
  }
}

/** Shapes, ranks or axes that do not fit an operation. */
export class ShapeError extends BulwarkError {}

/** An element type that an operation does not take. */
export class DTypeError extends BulwarkError {}

/** An option or value outside its domain (negative eps, zero steps, an unknown name). */
export class ArgumentError extends BulwarkError {}

/** A size that the adapter cannot hold; the message gives both numbers. */
export class LimitError extends BulwarkError {}

/** A shader that does not compile, or a dispatch that WebGPU's validation refused. */
export class KernelError extends BulwarkError {}

/** The GPU ran out of memory. */
export class OutOfMemoryError extends BulwarkError {}

/** The device is gone: destroyed, or lost by the driver. Make a new one to go on. */
export class DeviceLostError extends BulwarkError {}

/** A tensor was used after it was disposed or after its scope ended. */
export class FreedTensorError extends BulwarkError {}

/** Scopes closed out of order: two async scopes of one device interleaved. */
export class ScopeError extends BulwarkError {}

/** Differentiation that cannot be done: no graph, a non-scalar loss without an upstream gradient. */
export class GradError extends BulwarkError {}

/** A file or byte stream that is not what it should be; the message names the file and the byte. */
export class FormatError extends BulwarkError {}

/** No WebGPU adapter could be had. */
export class NoAdapterError extends BulwarkError {}

/** A function that cannot be compiled: it looks at values, or does what could not be done again. */
export class CaptureError extends BulwarkError {}

/** An operation computed an infinity or NaN while `detectAnomaly` watched. */
export class AnomalyError extends BulwarkError {}
