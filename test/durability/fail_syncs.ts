/** A disk that fails to sync, as processes see it: strace answers their fsync and fdatasync with EIO. */
/** Whether strace can make calls fail here. */
export function canInject(): boolean {
  const probe = ["strace", "-o", "/dev/null", "-e", "inject=fsync:error=EIO", "true"];
  return Bun.which("strace") !== null && Bun.spawnSync(probe).exitCode === 0;
}

/** From when this resolves until it is disposed of, every sync of these processes fails. */
export async function failSyncs(pids: readonly number[], log: string): Promise<AsyncDisposable> {
  const attach = pids.flatMap((pid) => ["-p", String(pid)]);
  const inject = ["-e", "trace=fsync,fdatasync", "-e", "inject=fsync,fdatasync:error=EIO"];
  const strace = Bun.spawn(["strace", "-f", ...inject, "-o", log, ...attach], { stderr: "pipe" });
  const reader = strace.stderr.getReader();
  let told = "";
  while (!told.includes("attached")) {
    const { value, done } = await reader.read();
    if (done) throw new Error(`strace didn't attach: ${told}`);
    told += new TextDecoder().decode(value);
  }
  return {
    async [Symbol.asyncDispose]() {
      strace.kill("SIGINT");
      await strace.exited;
      await reader.cancel();
    },
  };
}

/** Processes that `pid` started. */
export function children(pid: number): number[] {
  const found = Bun.spawnSync(["ps", "-o", "pid=", "--ppid", String(pid)]).stdout.toString();
  return found
    .split("\n")
    .map(Number)
    .filter((each) => each > 0);
}
