import {
  createCommit,
  createGroup,
  decodeMlsMessage,
  encodeMlsMessage,
  type GroupState,
  joinGroupWithExtensions,
  type KeyPackage,
  makePskIndex,
} from "ts-mls";
import { type PublicKey } from "../ground/mod.ts";
import { fault } from "./fault.ts";
import { type Member, membersOf } from "./member.ts";
import { clientState, type Mls, MAILBOX_EXTENSION } from "./mls.ts";
import { type DeviceKeys, makePackage, type OwnPackage, whole } from "./package.ts";

const GROUP_ID_BYTES = 16;
const PACKAGE_LIFE_MS = 24 * 60 * 60 * 1000;

/**
 * Founds a pair: a group of this device and the one whose KeyPackage was taken. `info` reaches the other side
 * inside the Welcome, where only the package's owner can read it.
 */
export async function foundPair(
  mls: Mls,
  options: { device: DeviceKeys; reader: PublicKey; peer: KeyPackage; info: Uint8Array; nowMs: number },
): Promise<{ group: GroupState; welcome: Uint8Array }> {
  const { device, reader, nowMs } = options;
  const own = await makePackage(mls, { device, reader, nowMs, notAfterMs: nowMs + PACKAGE_LIFE_MS });
  const founded = await createGroup(
    mls.crypto.random.bytes(GROUP_ID_BYTES),
    own.publicPackage,
    own.privatePackage,
    [],
    mls.suite,
    mls.config,
  );
  const { clientConfig: _, ...empty } = founded;
  const made = await createCommit(
    { state: clientState(mls, empty), cipherSuite: mls.suite },
    {
      extraProposals: [{ proposalType: "add", add: { keyPackage: options.peer } }],
      ratchetTreeExtension: true,
      groupInfoExtensions: [{ extensionType: MAILBOX_EXTENSION, extensionData: options.info }],
    },
  );
  if (made.welcome === undefined) throw fault("conversation/package", "Adding a KeyPackage made no Welcome");
  const { clientConfig: __, ...group } = made.newState;
  mls.crypto.wipe(...made.consumed);
  return {
    group: { ...group, historicalReceiverData: new Map() },
    welcome: encodeMlsMessage({ version: "mls10", wireformat: "mls_welcome", welcome: made.welcome }),
  };
}

/** Joins the pair that a Welcome invites `own` to; throws Fault<"conversation/welcome"> saying what doesn't hold. */
export async function joinPair(
  mls: Mls,
  options: { welcome: Uint8Array; own: OwnPackage },
): Promise<{ group: GroupState; info: Uint8Array; peer: Member }> {
  const message = whole(decodeMlsMessage, options.welcome);
  if (message?.wireformat !== "mls_welcome") throw fault("conversation/welcome", "A Welcome can't be read");
  const { publicPackage, privatePackage } = options.own;
  const [joined, extensions] = await joinGroupWithExtensions(
    message.welcome,
    publicPackage,
    privatePackage,
    makePskIndex(undefined, {}),
    mls.suite,
    undefined,
    undefined,
    mls.config,
  ).catch((cause: unknown) => {
    throw fault("conversation/welcome", `Cannot join by a Welcome: ${String(cause)}`, cause);
  });
  const info = extensions.find((extension) => extension.extensionType === MAILBOX_EXTENSION);
  if (info === undefined) throw fault("conversation/welcome", "A Welcome names no mailbox");
  const { clientConfig: _, ...group } = joined;
  const members = membersOf(mls, group);
  const peer = members.find((member) => member.leaf !== group.privatePath.leafIndex);
  if (members.length !== 2 || peer === undefined) {
    throw fault("conversation/welcome", `A pair has 2 devices at its start, this has ${members.length}`);
  }
  return { group, info: info.extensionData.slice(), peer };
}
