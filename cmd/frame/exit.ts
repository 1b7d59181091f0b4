/** Exit codes of every command. The table for people is in docs/CLI.md; a test holds the two equal. */
export const exit = {
  /** What was asked for is done. */
  done: 0,
  /** It could not be done. */
  failed: 1,
  /** A flag, a variable or a line of the configuration is wrong, or something needed was not given. */
  usage: 2,
  /** The relay answered that it is not well, or did not answer. */
  unhealthy: 3,
} as const;

export type ExitCode = (typeof exit)[keyof typeof exit];
