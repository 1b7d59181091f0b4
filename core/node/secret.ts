/**
 * Secrets at rest and on their way in: key files on disk, and the passphrases that open them. Passphrases and opened
 * keys are bytes from the first to the last, so that they can be wiped. The text of a file that holds its key bare, a
 * burner or PEM, isn't: it can be read on the disk as well. Nothing here is ever logged.
 */
import {
  closeSync,
  existsSync,
  lstatSync,
  mkdirSync,
  openSync,
  readFileSync,
  readSync,
  realpathSync,
  type Stats,
  statSync,
} from "node:fs";
import { dirname } from "node:path";
import { Fault, fileReason } from "../ground/mod.ts";
import {
  type KeyCrypto,
  type Keystore,
  type KeyType,
  inspectKeystore,
  openKeystore,
} from "../identity/mod.ts";
import { replaceFile } from "./file.ts";
import { promptTty, quietTerminal } from "./secret_prompt.ts";

export type SecretCode =
  | "secret/missing"
  | "secret/exposed"
  | "secret/exists"
  | "secret/unwritable"
  | "secret/no-passphrase"
  | "secret/passphrase-file"
  | "secret/cancelled";

const KEY_FILE_BYTES_MAX = 64 * 1024;
const PASSPHRASE_BYTES_MAX = 4096;

/** Where a passphrase comes from: a file that is named, else a file that a variable names, else the terminal. */
export interface PassphraseSource {
  /** `--passphrase-file`. */
  readonly file?: string | undefined;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Flag and variable as they are called here. */
  readonly flag?: string;
  readonly variable?: string;
  /** What is asked for, without a colon. */
  readonly prompt: string;
  /** Asks twice, for a passphrase that is being set. */
  readonly confirm?: boolean;
}

/**
 * The passphrase's bytes, for the caller to wipe. One line feed at a file's end doesn't count. Throws
 * Fault<"secret/…">; where there is neither file nor terminal, the message names all three ways.
 */
export async function readPassphrase(source: PassphraseSource): Promise<Uint8Array> {
  const { flag = "--passphrase-file", variable = "DCHAT_PASSPHRASE_FILE" } = source;
  const file = source.file ?? source.env[variable];
  if (file !== undefined) return readPassphraseFile(file, source.file === undefined ? variable : flag);
  using _ = quietTerminal();
  const typed = await promptTty(`${source.prompt}: `);
  if (typed === null) {
    throw new Fault<SecretCode>(
      "secret/no-passphrase",
      `A passphrase is needed, and there is no terminal to ask on. Give it by ${flag} FILE, by ${variable}=FILE, or run this on a terminal (/dev/tty)`,
    );
  }
  if (typed.length === 0) throw new Fault<SecretCode>("secret/no-passphrase", "The passphrase is empty");
  if (!source.confirm) return typed;
  const again = await promptTty(`${source.prompt} again: `);
  const same =
    again !== null && again.length === typed.length && again.every((byte, at) => byte === typed[at]);
  again?.fill(0);
  if (same) return typed;
  typed.fill(0);
  throw new Fault<SecretCode>("secret/no-passphrase", "The two passphrases differ");
}

function readPassphraseFile(path: string, whence: string): Uint8Array {
  const whole = new Uint8Array(PASSPHRASE_BYTES_MAX + 1);
  try {
    let length = readInto(path, whole);
    if (length > PASSPHRASE_BYTES_MAX) {
      throw new Fault<SecretCode>(
        "secret/passphrase-file",
        `${path} (${whence}) has more than ${PASSPHRASE_BYTES_MAX} bytes`,
      );
    }
    if (whole[length - 1] === 0x0a) length--;
    if (whole[length - 1] === 0x0d) length--;
    if (length <= 0)
      throw new Fault<SecretCode>("secret/passphrase-file", `The passphrase in ${path} (${whence}) is empty`);
    return whole.slice(0, length);
  } catch (error) {
    if (error instanceof Fault) throw error;
    throw new Fault<SecretCode>(
      "secret/passphrase-file",
      `Cannot read the passphrase from ${path} (${whence}): ${fileReason(error)}`,
      { cause: error },
    );
  } finally {
    whole.fill(0);
  }
}

/** Reads a file, a pipe or a device until `into` is full or it ends. */
function readInto(path: string, into: Uint8Array): number {
  const file = openSync(path, "r");
  try {
    let length = 0;
    for (;;) {
      const read = readSync(file, into, length, into.length - length, null);
      length += read;
      if (read === 0 || length === into.length) return length;
    }
  } finally {
    closeSync(file);
  }
}

/** The text of a key file; throws Fault<"secret/missing"> and, where others than its owner may read it, Fault<"secret/exposed">. */
export function readKeyFile(path: string): string {
  try {
    const there = statSync(path);
    const { mode, size } = there;
    // Advice about its mode would shut a folder.
    if (there.isDirectory()) {
      throw new Fault<SecretCode>("secret/missing", `Cannot read the key file ${path}: it is a folder`);
    }
    if ((mode & 0o077) !== 0) {
      throw new Fault<SecretCode>(
        "secret/exposed",
        `Others may read the key file ${path}: its mode is ${(mode & 0o777).toString(8)}, expected 600 (chmod 600 ${path})`,
      );
    }
    if (size > KEY_FILE_BYTES_MAX) {
      throw new Fault<SecretCode>("secret/missing", `${path} is no key file: it has ${size} bytes`);
    }
    return readFileSync(path, "utf8");
  } catch (error) {
    if (error instanceof Fault) throw error;
    throw new Fault<SecretCode>("secret/missing", `Cannot read the key file ${path}: ${fileReason(error)}`, {
      cause: error,
    });
  }
}

/** Refuses early, before anybody is asked for a passphrase; `writeKeyFile` refuses again where it counts. */
export function refuseTaken(path: string, { force }: { readonly force: boolean }): void {
  const there = whatIs(path);
  // To replace a device or a link, /dev/null or /dev/stdout say, would take it from the whole machine.
  if (there !== null && !there.isFile()) {
    const other = there.isSymbolicLink() ? "a link" : "a device, pipe or socket";
    const what = there.isDirectory() ? "a folder" : other;
    throw new Fault<SecretCode>(
      "secret/unwritable",
      `Cannot write the key file ${path}: it is ${what}, and a key goes to a file of its own`,
    );
  }
  if (there !== null && !force) throw keyExists(path);
}

/** Null where nothing is, and where that can't be looked at: whoever writes there hears why. */
function whatIs(path: string): Stats | null {
  try {
    return lstatSync(path);
  } catch {
    return null;
  }
}

function keyExists(path: string, cause?: unknown): Fault<SecretCode> {
  return new Fault(
    "secret/exists",
    `${path} is there already, and a key that is overwritten is gone; --force replaces it`,
    { cause },
  );
}

/** Writes a key file (mode 0600, whole or not at all); throws Fault<"secret/exists"> unless `force` replaces one. */
export function writeKeyFile(path: string, text: string, options: { readonly force: boolean }): void {
  try {
    refuseTaken(path, options);
    mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
    replaceFile(path, text, { exclusive: !options.force });
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "EEXIST" && existsSync(path)) {
      throw keyExists(path, error);
    }
    if (error instanceof Fault) throw error;
    throw new Fault<SecretCode>(
      "secret/unwritable",
      `Cannot write the key file ${path}: ${fileReason(error)}`,
      {
        cause: error,
      },
    );
  }
}

/** An opened key file. `passphrase` is what opened it, null for a burner; disposing wipes both. */
export interface OpenedKey extends Keystore {
  /** The file itself, where it was named by a link. */
  readonly path: string;
  readonly passphrase: Uint8Array | null;
}

export interface OpenKeyOptions {
  readonly path: string;
  /** Refuses a key made for something else. */
  readonly type?: KeyType;
  readonly passphrase: Omit<PassphraseSource, "prompt" | "confirm">;
}

/**
 * Reads and opens a key file, asking for its passphrase where it has one. Throws Fault<"secret/…"> and
 * Fault<"identity/…">, whose messages name the file.
 */
export async function openKeyFile(crypto: KeyCrypto, options: OpenKeyOptions): Promise<OpenedKey> {
  const { path, type } = options;
  const text = readKeyFile(path);
  let passphrase: Uint8Array | null = null;
  try {
    const parts = inspectKeystore(crypto, text);
    if (type !== undefined && parts.type !== type) {
      throw new Fault(
        "identity/type",
        `A key of the type ${type} is needed, and this one is of the type ${parts.type}`,
      );
    }
    if (parts.sealed !== null) {
      passphrase = await readPassphrase({ ...options.passphrase, prompt: `Passphrase of ${path}` });
    }
    const opened = openKeystore(crypto, text, passphrase);
    return {
      ...opened,
      path: realpathSync(path),
      passphrase,
      [Symbol.dispose]: () => dispose(opened, passphrase),
    };
  } catch (error) {
    passphrase?.fill(0);
    if (error instanceof Fault && error.code.startsWith("identity/")) {
      throw new Fault(error.code, `Cannot open ${path}: ${error.message}`, { cause: error });
    }
    throw error;
  }
}

function dispose(keystore: Keystore, passphrase: Uint8Array | null): void {
  keystore[Symbol.dispose]();
  passphrase?.fill(0);
}
