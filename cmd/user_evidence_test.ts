import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { runDchat } from "../test/harness/dchat.ts";
import { makePair, type Pair } from "../test/harness/people.ts";
import { type SpawnedRelay, spawnRelay } from "../test/harness/relay.ts";
import { copyFiles, setBack } from "../test/harness/restore.ts";

let relay: SpawnedRelay;
let pair: Pair;
let dir: string;

beforeAll(async () => {
  dir = mkdtempSync(join(tmpdir(), "dchat-evidence-"));
  relay = await spawnRelay({ dataDir: join(dir, "relay") });
  pair = await makePair(relay.address);
});

afterAll(async () => {
  pair[Symbol.dispose]();
  await relay[Symbol.asyncDispose]();
  rmSync(dir, { recursive: true, force: true });
});

/** Where nobody has an identity, a database or a relay. */
function verify(...args: string[]) {
  return runDchat(["user", "evidence", "verify", ...args], {
    cwd: dir,
    env: { HOME: join(dir, "nobody"), XDG_STATE_HOME: join(dir, "nobody") },
  });
}

const vector: { proves: { document: object }[]; provesNothing: { document: object }[] } = JSON.parse(
  readFileSync(join(import.meta.dir, "../docs/protocol/vector/evidence.json"), "utf8"),
);

describe("dchat user evidence", () => {
  test("has nothing of an honest relay, and writes no file of it", async () => {
    const shown = await pair.ann.user("evidence");
    expect(shown).toEqual({ code: 0, out: "", err: "" });
    const file = join(dir, "none.jsonl");
    const written = await pair.ann.user("evidence", "--output", file);
    expect([written.code, written.out]).toEqual([1, ""]);
    expect(written.err).toContain("there is no evidence to write");
  });

  test("shows and writes what a relay was caught at, and anybody verifies it", async () => {
    const { ann, bob } = pair;
    const older = join(dir, "older");
    relay = await copyFiles(relay, older);
    await ann.user("send", "--to", "bob", "promised");
    relay = await setBack(relay, older);
    await bob.user("send", "--to", "ann", "in its place");
    const caught = await ann.user("receive");
    expect(caught.code).toBe(1);
    expect(caught.err).toContain(
      "promised entry 0 of bob to us and gives another's there\nnote  this can be proven to others: dchat user evidence\n",
    );

    const says =
      "The relay promised to keep an entry as number 0, and signed a log of 1 entry that has another one there.";
    const shown = await ann.user("evidence");
    expect(shown.code).toBe(0);
    expect(shown.out).toStartWith("bob\n  found       20");
    expect(shown.out.replaceAll(/\s+/g, " ")).toContain(`what ${says} signed 20`);
    expect(shown.out).toContain(`PeerId      ${relay.file.peerId}\n`);

    const [line] = await ann.lines<{ evidence: object }>("evidence", "--with", "bob");
    const file = join(dir, "evidence.jsonl");
    const written = await ann.user("evidence", "--output", file);
    expect([written.code, written.out]).toEqual([0, `Wrote 1 piece of evidence to ${file}.\n`]);
    expect(written.err).toContain("no message, and nobody's name, address or key");
    expect(statSync(file).mode & 0o777).toBe(0o600);
    expect(JSON.parse(readFileSync(file, "utf8"))).toEqual(line?.evidence);
    const again = await ann.user("evidence", "--output", file);
    expect([again.code, again.err]).toEqual([1, expect.stringContaining("is there already")]);

    const verified = await verify(file);
    expect([verified.code, verified.err]).toEqual([0, ""]);
    expect(verified.out).toStartWith(
      "proven  this relay signed two things that can't both be true\n  what  ",
    );
    expect(verified.out).toContain(relay.file.peerId);
    const json = JSON.parse((await verify(file, "--json")).out);
    expect(json).toMatchObject({ piece: 1, proven: true, kind: "broken", says, generation: 1, number: 0 });
    expect(json.relay.peerIds).toEqual([relay.file.peerId]);
    const text = readFileSync(file, "utf8");
    for (const secret of ["bob", "ann", "promised to", relay.address]) expect(text).not.toContain(secret);
  });
});

describe("dchat user evidence verify", () => {
  test("exits 0 where all pieces prove something, a line each or one spread over lines", async () => {
    const file = join(dir, "all.jsonl");
    writeFileSync(file, vector.proves.map(({ document }) => JSON.stringify(document)).join("\n"));
    const all = await verify(file, "--json");
    expect(all.code).toBe(0);
    const kinds = all.out.trim().split("\n");
    expect(kinds.map((line) => JSON.parse(line).kind)).toEqual(["promises", "heads", "broken", "rewritten"]);
    writeFileSync(file, JSON.stringify(vector.proves[0]?.document, null, 2));
    expect((await verify(file)).code).toBe(0);
  });

  test("exits 1 where one doesn't, and says which and why", async () => {
    const file = join(dir, "some.jsonl");
    const documents = [vector.proves[0]?.document, vector.provesNothing[0]?.document];
    writeFileSync(file, documents.map((document) => JSON.stringify(document)).join("\n"));
    const some = await verify(file);
    expect(some.code).toBe(1);
    expect(some.out).toStartWith("proven  ");
    expect(some.out).toEndWith(`not proven  ${file}, piece 2: its head has what was promised\n`);
    writeFileSync(file, JSON.stringify(documents[0]).slice(0, -20));
    const cut = await verify(file);
    expect([cut.code, cut.out]).toEqual([1, expect.stringContaining("it isn't JSON, or it was cut off")]);
  });

  test("names a file that isn't there, and one that is empty", async () => {
    const missing = await verify(join(dir, "missing"));
    expect([missing.code, missing.err]).toEqual([1, expect.stringContaining("there is no such file")]);
    const file = join(dir, "empty");
    writeFileSync(file, "");
    expect((await verify(file)).code).toBe(1);
  });
});
