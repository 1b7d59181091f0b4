/** Files of evidence that a relay broke its word, a document a line: written for others, read from anybody. */
import { existsSync, readFileSync, statSync } from "node:fs";
import { Fault, fileReason } from "../ground/mod.ts";
import { replaceFile } from "./file.ts";

/** unreadable: it isn't there or can't be opened · exists: a file is there · unwritable: it can't be made. */
export type EvidenceCode = "evidence/unreadable" | "evidence/exists" | "evidence/unwritable";

/** Far above what a device keeps of a conversation. */
const FILE_BYTES_MAX = 4 * 1024 * 1024;

/** Writes `documents` to a new file; throws Fault<EvidenceCode>. */
export function writeEvidenceFile(path: string, documents: readonly string[]): void {
  try {
    replaceFile(path, documents.map((document) => `${document}\n`).join(""), { exclusive: true });
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "EEXIST" && existsSync(path)) {
      throw new Fault<EvidenceCode>("evidence/exists", `${path} is there already, and isn't replaced`);
    }
    const why = `Cannot write ${path}: ${fileReason(error)}`;
    throw new Fault<EvidenceCode>("evidence/unwritable", why, { cause: error });
  }
}

/** The documents in a file: one a line, or one in all. Throws Fault<EvidenceCode>. */
export function readEvidenceFile(path: string): readonly string[] {
  try {
    const there = statSync(path);
    if (there.isFile() && there.size > FILE_BYTES_MAX) {
      throw new Fault<EvidenceCode>(
        "evidence/unreadable",
        `${path} is no file of evidence: it has ${there.size} bytes`,
      );
    }
    const text = readFileSync(path, "utf8").trim();
    return isOne(text) ? [text] : text.split("\n");
  } catch (error) {
    if (error instanceof Fault) throw error;
    const why = `Cannot read ${path}: ${fileReason(error)}`;
    throw new Fault<EvidenceCode>("evidence/unreadable", why, { cause: error });
  }
}

/** Other programs spread a document over lines. */
function isOne(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}
