/** What a file system refuses, in words for people: by the codes of errno, and of SQLite, which passes some on. */

interface Refusal {
  readonly is: string;
  readonly mend: string;
}

const NO_ROOM: Refusal = {
  is: "no space is left there",
  mend: "Make room there, or choose another place, then do it again.",
};
const NO_RIGHT: Refusal = {
  is: "permission denied",
  mend: "Do it as the user whose it is, or change its owner or mode, or its folder's.",
};
const READ_ONLY: Refusal = {
  is: "its file system is read-only",
  mend: "Choose another place, or mount that one for writing: a system mounts a disk that failed read-only.",
};
const BROKEN: Refusal = {
  is: "the disk failed",
  mend: "Look at that disk first: whether it is full, and what the system says of it (dmesg).",
};

const REFUSALS: Readonly<Record<string, Refusal>> = {
  ENOSPC: NO_ROOM,
  // Of the index of its log, which SQLite makes before anything else.
  SQLITE_IOERR_SHMSIZE: { ...NO_ROOM, is: "there is no room for the index of its log" },
  SQLITE_FULL: { ...NO_ROOM, is: "the disk is full" },
  EDQUOT: {
    is: "the quota there is used up",
    mend: "Make room within the quota or raise it, or choose another place, then do it again.",
  },
  EFBIG: {
    is: "no file there may become that large",
    mend: "Choose another place, or raise the limit (ulimit -f).",
  },
  EACCES: NO_RIGHT,
  EPERM: NO_RIGHT,
  EROFS: READ_ONLY,
  EIO: BROKEN,
  EMFILE: { is: "this process has too many files open", mend: "Raise the limit of open files (ulimit -n)." },
  ENFILE: { is: "the system has too many files open", mend: "End what holds them, or raise fs.file-max." },
};

/** What needs no advice. */
const PLAIN: Readonly<Record<string, string>> = {
  ENOENT: "there is no such file",
  EISDIR: "it is a folder",
  ENOTDIR: "what should be its folder is a file",
  EEXIST: "what should be its folder is a file",
  ENAMETOOLONG: "its name is too long",
  ELOOP: "its links lead round in a circle",
};

function codeOf(error: unknown): string {
  return error instanceof Error && "code" in error ? String(error.code) : "";
}

/** What the file system said, in words for people. */
export function fileReason(error: unknown): string {
  const code = codeOf(error);
  const known = Object.hasOwn(REFUSALS, code) ? REFUSALS[code]?.is : PLAIN[code];
  if (known !== undefined) return known;
  const told = error instanceof Error ? error.message : String(error);
  // SQLite has a code for each thing that the disk refused to do, and one message for all of them.
  return code.startsWith("SQLITE_IOERR") ? `${told} (${code})` : told;
}

/** What to do where the file system, by the error or by what caused it, refused something; null where it didn't. */
export function fileMend(error: unknown): string | null {
  for (let at = error, depth = 0; at instanceof Error && depth < 8; at = at.cause, depth++) {
    const code = codeOf(at);
    if (Object.hasOwn(REFUSALS, code)) return REFUSALS[code]?.mend ?? null;
    if (code.startsWith("SQLITE_IOERR")) return BROKEN.mend;
  }
  return null;
}
