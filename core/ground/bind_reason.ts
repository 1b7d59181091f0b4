/** Why the system gives an address to no listener, in words for people. */
export function bindReason(error: unknown): string {
  switch (error instanceof Error && "code" in error ? error.code : "") {
    case "EADDRINUSE":
      return "the port is taken";
    case "EACCES":
      return "permission denied; ports below 1024 need a privilege";
    case "EADDRNOTAVAIL":
      return "this machine has no such address";
    default:
      return error instanceof Error ? error.message : String(error);
  }
}
