/**
 * An error that travels upward to somebody who can act on it.
 *
 * `code` belongs to the folder that throws it, written `folder/reason`; tables that map codes to exit
 * codes, HTTP statuses and wire replies use `satisfies Record<Code, …>`. `message` says what was being
 * done, what was expected, what came, and where it can be mended. It is for operators and never crosses the wire.
 */
export class Fault<Code extends string = string> extends Error {
  override readonly name: string = "Fault";
  readonly code: Code;

  constructor(code: Code, message: string, options?: { cause?: unknown }) {
    super(message, options);
    this.code = code;
  }
}

/** Whether `error` is a Fault, and of that code where one is given. */
export function isFault<Code extends string>(error: unknown, code?: Code): error is Fault<Code> {
  return error instanceof Fault && (code === undefined || error.code === code);
}
