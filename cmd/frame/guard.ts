/** What reaches no `catch`: a reader that went away, and mistakes of ours in callbacks. */
import { exit } from "./exit.ts";
import { faultBlock, exitOf } from "./fault.ts";
import { isReaderGone, outputFault } from "./output.ts";
import { openTerminal } from "./terminal.ts";

/**
 * For the process's entry. A closed pipe (`dchat … | head`) ends the process without a word. Anything else that
 * nobody caught is shown like every error, in one block, and ends it with its exit code: state that nobody
 * foresaw is not worked on.
 */
export function guard(program: string): void {
  const closed = (error: NodeJS.ErrnoException): void => {
    if (isReaderGone(error)) process.exit(exit.done);
    throw outputFault(error);
  };
  process.stdout.on("error", closed);
  process.stderr.on("error", closed);
  const uncaught = (error: unknown): void => {
    const terminal = openTerminal(process.stderr, process.env);
    const debug = process.argv.some((word) => /^(?:--log-level=)?(?:debug|trace)$/.test(word));
    terminal.write(faultBlock(error, { terminal, path: [program], debug }));
    process.exit(exitOf(error));
  };
  process.on("uncaughtException", uncaught);
  process.on("unhandledRejection", uncaught);
}
