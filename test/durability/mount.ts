/** File systems of a test's own: a small tmpfs, and an ext4 in a file that can lose its power. Needs root. */
import { dlopen, FFIType } from "bun:ffi";
import { closeSync, mkdirSync, mkdtempSync, openSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** EXT4_IOC_SHUTDOWN, linux/fs/ext4/ext4.h. */
const SHUTDOWN = 0x8004587dn;
/** EXT4_GOING_FLAGS_NOLOGFLUSH: all that wasn't flushed is dropped, the journal too. */
const NO_LOG_FLUSH = 2;

function run(...command: string[]): void {
  const { exitCode, stderr } = Bun.spawnSync(command, { stderr: "pipe" });
  if (exitCode !== 0) throw new Error(`${command.join(" ")}: ${stderr.toString().trim()}`);
}

export function isRoot(): boolean {
  return process.getuid?.() === 0;
}

/** Whether an ext4 can be mounted from a file here. */
export function canLoop(): boolean {
  if (!isRoot() || Bun.which("mkfs.ext4") === null) return false;
  try {
    using disk = makeDisk(16);
    disk.mount();
    return true;
  } catch {
    return false;
  }
}

/** Whether a tmpfs can be mounted here. */
export function canMount(): boolean {
  if (!isRoot()) return false;
  try {
    using _ = mountTmpfs(1);
    return true;
  } catch {
    return false;
  }
}

export interface Mounted extends Disposable {
  readonly path: string;
}

/** A tmpfs of `mib` MiB, which nobody can write to where `readOnly`. */
export function mountTmpfs(mib: number, { readOnly = false } = {}): Mounted {
  const path = mkdtempSync(join(tmpdir(), "dchat-full-"));
  run("mount", "-t", "tmpfs", "-o", `size=${mib}m,${readOnly ? "ro" : "rw"}`, "tmpfs", path);
  return {
    path,
    [Symbol.dispose]() {
      run("umount", "-l", path);
      rmSync(path, { recursive: true });
    },
  };
}

export interface Disk extends Disposable {
  readonly path: string;
  mount(): void;
  unmount(): void;
  /** From here on the file system takes nothing more, and what wasn't flushed is gone. */
  cutPower(): void;
}

/** An ext4 of `mib` MiB in a file, not mounted yet. */
export function makeDisk(mib: number): Disk {
  const folder = mkdtempSync(join(tmpdir(), "dchat-power-"));
  const image = join(folder, "disk");
  const path = join(folder, "mount");
  mkdirSync(path);
  writeFileSync(image, "");
  truncateSync(image, mib * 1024 * 1024);
  run("mkfs.ext4", "-q", "-F", image);
  let isMounted = false;
  return {
    path,
    mount() {
      run("mount", "-o", "loop", image, path);
      isMounted = true;
    },
    unmount() {
      run("umount", path);
      isMounted = false;
    },
    cutPower() {
      const libc = dlopen("libc.so.6", {
        ioctl: { args: [FFIType.i32, FFIType.u64, FFIType.ptr], returns: FFIType.i32 },
      });
      const folderFd = openSync(path, "r");
      const done = libc.symbols.ioctl(folderFd, SHUTDOWN, new Uint32Array([NO_LOG_FLUSH]));
      closeSync(folderFd);
      libc.close();
      if (done !== 0) throw new Error("the ioctl that cuts the power failed");
    },
    [Symbol.dispose]() {
      if (isMounted) run("umount", "-l", path);
      rmSync(folder, { recursive: true, force: true });
    },
  };
}
