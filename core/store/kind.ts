import type { EntryKind } from "../wire/mod.ts";

/** Kinds by the number that both schemas store; the partial index on packages counts on package and lastResort being last. */
export const ENTRY_KINDS = [
  "plain",
  "control",
  "package",
  "lastResort",
] as const satisfies readonly EntryKind[];

const NUMBERS: Readonly<Record<EntryKind, number>> = { plain: 0, control: 1, package: 2, lastResort: 3 };

export function kindNumber(kind: EntryKind): number {
  return NUMBERS[kind];
}

/** The kind of a stored number; null where there is none. */
export function kindOf(number: number): EntryKind | null {
  return ENTRY_KINDS[number] ?? null;
}
