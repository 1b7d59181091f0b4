/** docs/protocol/mailbox.md says what the code does: numbers, limits, vectors, and the statement read from the page alone. */
import { describe, expect, test } from "bun:test";
import { join } from "node:path";
import { ed25519 } from "@noble/curves/ed25519.js";
import { sha256 } from "@noble/hashes/sha2.js";
import { openCrypto } from "@dchat/crypto-wasm";
import { hash, isFault, limit, nonce, publicKey } from "../core/ground/mod.ts";
import { verifyConsistency, verifyInclusion } from "../core/merkle/mod.ts";
import {
  COMMAND_KIND,
  CONTROL_KIND,
  decodeCommand,
  decodeReply,
  decodeStreamControl,
  ENTRY_KIND,
  PROTOCOL_ID,
  REFUSAL_CODE,
  REPLY_KIND,
  TAG,
} from "../core/wire/mod.ts";
import { vectors } from "./protocol_vectors.ts";

const folder = join(import.meta.dir, "../docs/protocol");
const page = await Bun.file(join(folder, "mailbox.md")).text();

/** The rows of the tables under `heading`, up to the next heading: first and second cell of each. */
function table(heading: string): Record<string, number> {
  const from = page.indexOf(`\n${heading}\n`);
  if (from === -1) throw new Error(`no heading ${heading}`);
  const next = page.slice(from + 2).search(/\n#+ /);
  const section = page.slice(from, next === -1 ? undefined : from + 2 + next);
  const rows = section.matchAll(/^\| (\w+) \| (0x[0-9a-f]{2}|[0-9][0-9,]*) \|/gm);
  return Object.fromEntries(
    [...rows].map(([, name = "", value = ""]) => [name, Number(value.replaceAll(",", ""))]),
  );
}

describe("docs/protocol/mailbox.md", () => {
  test("is about the version that the code speaks", () => {
    expect(page.split("\n")[0]).toBe(`# The mailbox protocol, \`${PROTOCOL_ID}\``);
  });

  test("has the code's numbers of commands, entry kinds, unsigned frames, replies and refusals", () => {
    expect(table("### Commands")).toEqual(COMMAND_KIND);
    expect(table("### Entry kinds")).toEqual(ENTRY_KIND);
    expect(table("### Unsigned frames from clients")).toEqual(CONTROL_KIND);
    expect(table("### Replies")).toEqual(REPLY_KIND);
    expect(table("### Refusals")).toEqual(REFUSAL_CODE);
  });

  test("has the code's limits", () => {
    const limits = table("## Limits");
    expect(Object.keys(limits).length).toBeGreaterThan(10);
    for (const [name, value] of Object.entries(limits)) {
      expect([name, Object.entries(limit).find(([key]) => key === name)?.[1]]).toEqual([name, value]);
    }
    expect(page).toContain(
      `at most ${(limit.FRAME_BYTES_MAX - limit.FRAME_HEADER_BYTES).toLocaleString("en")} `,
    );
    const classes = limit.ENTRY_SIZE_CLASSES_BYTES.map((size) => size.toLocaleString("en"));
    expect(page).toContain(`exactly ${classes.slice(0, -1).join(", ")} or ${classes.at(-1)} bytes`);
  });

  test("names every tag", () => {
    for (const tag of Object.values(TAG)) {
      const text = new TextDecoder().decode(tag).replaceAll("\0", "");
      expect(page).toContain(`\`${text}\``);
    }
  });
});

interface Vectors {
  readonly "command.json": {
    readonly seeds: Readonly<Record<string, string>>;
    readonly relay: string;
    readonly nonce: string;
    readonly commands: readonly {
      readonly signedBy: string;
      readonly body: Readonly<Record<string, unknown>> & { readonly op: keyof typeof COMMAND_KIND };
      readonly statement: string;
      readonly frame: string;
    }[];
  };
  readonly "merkle.json": {
    readonly leafHashes: readonly string[];
    readonly roots: readonly string[];
    readonly inclusion: readonly {
      readonly index: number;
      readonly size: number;
      readonly path: readonly string[];
    }[];
    readonly consistency: readonly {
      readonly from: number;
      readonly to: number;
      readonly path: readonly string[];
    }[];
  };
  readonly "statement.json": {
    readonly signerSeed: string;
    readonly batch: {
      readonly statement: string;
      readonly root: string;
      readonly promises: readonly {
        readonly bytes: string;
        readonly path: readonly string[];
        readonly signature: string;
      }[];
    };
  };
  readonly "malformed.json": Readonly<
    Record<
      "commands" | "controls" | "replies",
      readonly { readonly name: string; readonly kind: number; readonly payload: string }[]
    >
  >;
}

async function read<Name extends keyof Vectors>(name: Name): Promise<Vectors[Name]> {
  return (await Bun.file(join(folder, "vector", name)).json()) as Vectors[Name];
}

const bytes = (hex: string): Uint8Array => Uint8Array.fromHex(hex);
const join2 = (...parts: readonly Uint8Array[]): Uint8Array => new Uint8Array(Buffer.concat(parts));

describe("docs/protocol/vector", () => {
  test("is what the code makes", async () => {
    for (const [name, made] of await vectors()) {
      expect([name, await Bun.file(join(folder, "vector", name)).json()]).toEqual([name, made]);
    }
  });

  test("command.json: statements and signatures follow from the page alone", async () => {
    const { seeds, relay, nonce: streamNonce, commands } = await read("command.json");
    expect(new Set(commands.map(({ body }) => body.op)).size).toBe(Object.keys(COMMAND_KIND).length);
    for (const { signedBy, body, statement, frame } of commands) {
      const payload = bytes(frame).subarray(8);
      const signed = payload.subarray(140);
      const isAppend = bytes(frame)[3] === 3;
      const bodyHash = isAppend
        ? sha256(join2(signed.subarray(0, -1024), sha256(signed.subarray(-1024))))
        : sha256(signed);
      const version = new Uint8Array(8);
      new DataView(version.buffer).setBigUint64(0, BigInt(Number(body["version"] ?? 0)));
      const token = new Uint8Array(32);
      if (body.op === "append") token.set(bytes(String(body["id"])));
      else if (body.op === "take") token.set(bytes(String(body["take"])));
      else if (body.op === "reset") token.set(version);
      else if (!["create", "acknowledge", "delete"].includes(body.op)) token.set(bytes(streamNonce));
      const tag = new Uint8Array(16);
      tag.set(new TextEncoder().encode("dchat/mailbox/1"));
      const own = join2(
        tag,
        new Uint8Array([bytes(frame)[3] ?? 0, 0, 0, 0]),
        payload.subarray(32, 36),
        payload.subarray(0, 32),
        bytes(relay),
        token,
        payload.subarray(36, 44),
        bodyHash,
      );
      expect(own.toHex()).toBe(statement);
      expect(payload.subarray(44, 76).toHex()).toBe(
        ed25519.getPublicKey(bytes(seeds[signedBy] ?? "")).toHex(),
      );
      expect(ed25519.sign(own, bytes(seeds[signedBy] ?? "")).toHex()).toBe(payload.subarray(76, 140).toHex());
    }
  });

  test("statement.json: a promise's path and signature follow from the page alone", async () => {
    const { signerSeed, batch } = await read("statement.json");
    const leafOf = (data: Uint8Array) => sha256(join2(new Uint8Array([0]), data));
    const nodeOf = (left: Uint8Array, right: Uint8Array) => sha256(join2(new Uint8Array([1]), left, right));
    const [a, b, c] = batch.promises.map((promise) => leafOf(bytes(promise.bytes)));
    if (a === undefined || b === undefined || c === undefined) throw new Error("a batch of three");
    const root = nodeOf(nodeOf(a, b), c);
    expect(root.toHex()).toBe(batch.root);
    expect(batch.promises.map(({ path }) => path)).toEqual([
      [b.toHex(), c.toHex()],
      [a.toHex(), c.toHex()],
      [nodeOf(a, b).toHex()],
    ]);
    for (const { signature } of batch.promises) {
      expect(ed25519.sign(bytes(batch.statement), bytes(signerSeed)).toHex()).toBe(signature);
    }
  });

  test("merkle.json: every proof verifies", async () => {
    await using crypto = await openCrypto({ needs: [] });
    const { leafHashes, roots, inclusion, consistency } = await read("merkle.json");
    const hashAt = (all: readonly string[], at: number) => hash(bytes(all[at] ?? ""));
    for (const { index, size, path } of inclusion) {
      const proof = path.map((hex) => hash(bytes(hex)));
      const claim = { index, size, leaf: hashAt(leafHashes, index), root: hashAt(roots, size), proof };
      expect(verifyInclusion(crypto.hash, claim)).toBe(true);
    }
    for (const { from, to, path } of consistency) {
      const proof = path.map((hex) => hash(bytes(hex)));
      const claim = { first: from, size: to, firstRoot: hashAt(roots, from), root: hashAt(roots, to), proof };
      expect(verifyConsistency(crypto.hash, claim)).toBe(true);
    }
  });

  test("malformed.json: everything is refused", async () => {
    await using crypto = await openCrypto({ needs: [] });
    const context = {
      relay: publicKey(new Uint8Array(32).fill(0x52)),
      nonce: nonce(new Uint8Array(32)),
      digest: crypto.hash,
    };
    const decoders = {
      commands: (frame: { kind: number; payload: Uint8Array }) => decodeCommand(frame, context),
      controls: decodeStreamControl,
      replies: decodeReply,
    } as const;
    const all = await read("malformed.json");
    for (const which of ["commands", "controls", "replies"] as const) {
      for (const { name, kind, payload } of all[which]) {
        let refused: unknown = null;
        try {
          decoders[which]({ kind, payload: bytes(payload) });
        } catch (error) {
          refused = error;
        }
        expect([which, name, isFault(refused, "wire/malformed")]).toEqual([which, name, true]);
      }
    }
  });
});
