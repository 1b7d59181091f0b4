import { storeFault } from "./fault.ts";

/** Throws Fault<"store/newer"> or Fault<"store/older">, naming both versions, where a schema isn't the known one. */
export function requireVersion(where: string, version: number, known: number): void {
  if (version > known) {
    throw storeFault(
      "store/newer",
      `Cannot use ${where}: its schema is version ${version}, this dchat knows version ${known}; use the newer dchat`,
    );
  }
  if (version < known) {
    throw storeFault(
      "store/older",
      `Cannot use ${where}: its schema is version ${version}, this dchat needs version ${known}; run \`dchat database migrate\``,
    );
  }
}
