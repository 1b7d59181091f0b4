import { type GroupState, mlsExporter } from "ts-mls";
import { joined } from "./bytes.ts";
import type { Mls } from "./mls.ts";

const OUTER_LABEL = "dchat outer seal 1";
const WRITER_LABEL = "dchat writer 1";

/** Key of the outer seal during the group's epoch, 32 bytes; the caller wipes it. */
export function outerKey(mls: Mls, group: GroupState): Promise<Uint8Array> {
  return mlsExporter(group.keySchedule.exporterSecret, OUTER_LABEL, new Uint8Array(), 32, mls.suite);
}

/**
 * Seed of the key that all members write with during `turn`, 32 bytes; the caller wipes it. The turn is part of
 * it, so that members who know epoch and turn agree on it however the turn came about: a commit or a reset.
 */
export function writerSeed(mls: Mls, group: GroupState, turn: number): Promise<Uint8Array> {
  return mlsExporter(group.keySchedule.exporterSecret, WRITER_LABEL, joined([{ u64: turn }]), 32, mls.suite);
}
