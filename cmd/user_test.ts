import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import {
  chmodSync,
  chownSync,
  closeSync,
  cpSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { dchatCommand, type Ran, runDchat } from "../test/harness/dchat.ts";
import { makePair, type MessageLine, type Pair } from "../test/harness/people.ts";
import { type SpawnedRelay, spawnRelay } from "../test/harness/relay.ts";

let relay: SpawnedRelay;
let pair: Pair;

beforeAll(async () => {
  relay = await spawnRelay();
  pair = await makePair(relay.address);
});

afterAll(async () => {
  pair[Symbol.dispose]();
  await relay[Symbol.asyncDispose]();
});

function firstLine({ err }: Ran): string {
  return err.split("\n").find((line) => line.startsWith("error")) ?? err;
}

test("a device whose database was emptied is refused with exit 1, and no new one begins in its place", async () => {
  const dataDir = join(pair.dir, "emptied");
  cpSync(pair.ann.dataDir, dataDir, { recursive: true });
  writeFileSync(join(dataDir, "device.db"), "");
  const args = ["user", "contacts", "--identity", pair.ann.identity, "--data-dir", dataDir];
  for (let round = 0; round < 2; round++) {
    const { code, out, err } = await runDchat(args);
    expect([code, out]).toEqual([1, ""]);
    expect(err).toContain(`${join(dataDir, "device.db")}: it is empty`);
    expect(err).toContain("Put the file back from a copy.");
  }
});

// Only root can give a folder away.
test.skipIf(process.getuid?.() !== 0)(
  "a data directory of somebody else that others read is told",
  async () => {
    const dataDir = join(pair.dir, "given-away");
    mkdirSync(dataDir);
    chmodSync(dataDir, 0o755);
    chownSync(dataDir, 65_534, 65_534);
    const { code, err } = await runDchat([
      "user",
      "contacts",
      "--identity",
      pair.ann.identity,
      "--data-dir",
      dataDir,
    ]);
    expect(code).toBe(0);
    expect(err).toContain(`warning  ${dataDir} belongs to another user and has mode 755; expected 700`);
  },
);

/** Started by npx, a terminal's Ctrl-C arrives twice within a millisecond or so: too late to be merged into one. */
async function interrupt(child: { kill(signal: "SIGINT"): void }, times: number): Promise<void> {
  for (let left = times; left > 0; left--) {
    child.kill("SIGINT");
    await Bun.sleep(2);
  }
}

describe("dchat user send", () => {
  test("prints the sequence number alone where no terminal is, and JSON where it is asked for", async () => {
    const { ann } = pair;
    const plain = await ann.user("send", "--to", "bob", "one");
    const json = await ann.user("send", "--to", "bob", "two", "--json");
    const number = Number(plain.out);
    expect(plain.out).toBe(`${number}\n`);
    expect(JSON.parse(json.out)).toEqual({
      conversation: "bob",
      sender: "me",
      sequence: number + 1,
      generation: 1,
      time: expect.stringMatching(/^\d{4}-\d\d-\d\dT.*Z$/),
      text: "two",
    });
  });

  test("reads standard input with - and without a text, one line feed at its end taken off", async () => {
    const { bob } = pair;
    const flags = ["--identity", bob.identity, "--data-dir", bob.dataDir];
    for (const more of [["-"], []]) {
      const { code } = await runDchat(["user", "send", "--to", "ann", ...more, ...flags], {
        stdin: "a\nb\n",
      });
      expect(code).toBe(0);
    }
    const lines = await pair.ann.lines<MessageLine>("receive");
    expect(lines.map(({ text, sender }) => [sender, text])).toEqual([
      ["bob", "a\nb"],
      ["bob", "a\nb"],
    ]);
  });

  test("refuses a text over 64 KiB sealed with exit 2, naming the sizes, and queues nothing", async () => {
    const { ann } = pair;
    const flags = ["--identity", ann.identity, "--data-dir", ann.dataDir];
    const ran = await runDchat(["user", "send", "--to", "bob", "-", ...flags], { stdin: "x".repeat(70_000) });
    expect(ran.code).toBe(2);
    expect(firstLine(ran)).toMatch(
      /text of 70000 bytes: Sealed it has \d+ bytes, at most 65536 are possible/,
    );
    const [conversation] = await ann.lines<{ unsent: number }>("conversations");
    expect(conversation?.unsent).toBe(0);
  });

  test("refuses nothing at all, what isn't UTF-8 and what has no end with exit 2, and sends none of it", async () => {
    const { ann } = pair;
    const flags = ["--identity", ann.identity, "--data-dir", ann.dataDir];
    const send = (stdin: string | Uint8Array<ArrayBuffer>) =>
      runDchat(["user", "send", "--to", "bob", "-", ...flags], { stdin });
    const before = await ann.lines<{ messages: number }>("conversations");
    // Two bytes that another decoder takes for a mark of UTF-16.
    const ran = [
      await send("\n"),
      await send(Uint8Array.of(0xff, 0xfe, 0x61, 0x62)),
      await send("z".repeat(3_000_000)),
      await ann.user("send", "--to", "bob", ""),
    ];
    expect(ran.map(({ code }) => code)).toEqual([2, 2, 2, 2]);
    expect(ran.map(firstLine)).toEqual([
      expect.stringContaining("the text is empty"),
      expect.stringContaining("isn't UTF-8"),
      expect.stringContaining("more than 1048576 bytes"),
      expect.stringContaining("the text is empty"),
    ]);
    expect(await ann.lines<{ messages: number }>("conversations")).toEqual(before);
  });

  test("takes the largest text that fits, and text that looks like a flag behind --", async () => {
    const { ann, bob } = pair;
    const flags = ["--identity", ann.identity, "--data-dir", ann.dataDir];
    const large = "y".repeat(65_000);
    expect((await runDchat(["user", "send", "--to", "bob", "-", ...flags], { stdin: large })).code).toBe(0);
    expect((await runDchat(["user", "send", "--to", "bob", ...flags, "--", "--help"])).code).toBe(0);
    const texts = (await bob.lines<MessageLine>("receive")).map(({ text }) => text);
    expect(texts.slice(-2)).toEqual([large, "--help"]);
  });

  test("names those that there are when the name is nobody's", async () => {
    const ran = await pair.ann.user("send", "--to", "bobby", "hi");
    expect(ran.code).not.toBe(0);
    expect(firstLine(ran)).toContain('no conversation with "bobby"; there are: bob');
  });
});

describe("dchat user receive", () => {
  test.each([
    [[], "a full disk", "> /dev/full", "Cannot write to standard output: no space is left there"],
    [["--json"], "a full disk", "> /dev/full", "Cannot write to standard output: no space is left there"],
    [[], "a reader that has gone", "| true", ""],
  ])("shows again with %p what %s didn't take", async (json, _, where, complaint) => {
    const { ann, bob } = pair;
    const { out: seq } = await bob.user("send", "--to", "ann", "must not get lost");
    expect(Number(seq)).toBeGreaterThanOrEqual(0);
    const words = ["user", "receive", ...json, "--identity", ann.identity, "--data-dir", ann.dataDir];
    const line = `'${[...dchatCommand, ...words].join("' '")}' ${where}`;
    // The reader of the pipe has ended long before there is something to read.
    const child = Bun.spawn(["sh", "-c", line], { stdin: "ignore", stdout: "ignore", stderr: "pipe" });
    const err = await new Response(child.stderr).text();
    if (complaint === "") expect(err).toBe("");
    else expect(err).toContain(complaint);
    const shown = await ann.lines<MessageLine>("receive");
    expect(shown.map(({ text }) => text)).toEqual(["must not get lost"]);
    expect(await ann.lines("receive")).toEqual([]);
  });

  test("holds up nothing while its reader pauses, and shows again what it was killed over", async () => {
    const { ann, bob } = pair;
    const fifo = join(pair.dir, "paused");
    Bun.spawnSync(["mkfifo", fifo]);
    // Opened both ways it has a reader, which never reads.
    const pipe = openSync(fifo, "r+");
    const long = "z".repeat(50_000);
    for (const text of ["first", long, long]) await bob.user("send", "--to", "ann", text);
    const flags = ["--identity", ann.identity, "--data-dir", ann.dataDir];
    const child = Bun.spawn([...dchatCommand, "user", "receive", "--follow", ...flags], {
      stdin: "ignore",
      stdout: pipe,
      stderr: "ignore",
    });
    const received = readSync(pipe, new Uint8Array(1));
    const { code, out } = await ann.user("send", "--to", "bob", "are you there?");
    expect([received, code]).toEqual([1, 0]);
    expect(Number(out)).toBeGreaterThan(0);
    child.kill("SIGKILL");
    await child.exited;
    closeSync(pipe);
    expect((await ann.lines<MessageLine>("receive")).map(({ text }) => text)).toEqual(["first", long, long]);
    expect(await ann.lines("receive")).toEqual([]);
  });

  test("stays with --follow until it is told to stop, and is done then, told twice at once too", async () => {
    const { ann, bob } = pair;
    const flags = ["--identity", ann.identity, "--data-dir", ann.dataDir];
    const child = Bun.spawn([...dchatCommand, "user", "receive", "--follow", ...flags], {
      stdin: "ignore",
      stdout: "pipe",
      stderr: "inherit",
    });
    await bob.user("send", "--to", "ann", "still there?");
    let out = "";
    for await (const chunk of child.stdout.pipeThrough(new TextDecoderStream())) {
      out += chunk;
      await interrupt(child, 2);
    }
    expect([await child.exited, out]).toEqual([0, expect.stringContaining("still there?")]);
    expect(await ann.lines("receive")).toEqual([]);
  });

  test("prints each message once, and shows control characters instead of obeying them", async () => {
    const { ann, bob } = pair;
    await ann.user("send", "--to", "bob", "\u001b[31mred");
    const first = await bob.user("receive");
    expect(first.out).toContain("\\u{1b}[31mred");
    expect((await bob.user("receive")).out).toBe("");
  });
});

describe("dchat user invite and accept", () => {
  test("refuse a second use, one's own, a damaged one, and a name that is taken", async () => {
    const { ann, bob } = pair;
    const { out } = await ann.user("invite", "--name", "once", "--bootstrap", relay.address);
    const uri = out.trim();
    expect(firstLine(await ann.user("accept", uri))).toContain("your own");
    expect(firstLine(await bob.user("accept", uri, "--name", "ann"))).toContain('There is a "ann" already');
    expect(firstLine(await bob.user("accept", uri.slice(0, -4)))).toContain("copy it again as a whole");
    const accepted = await bob.user("accept", uri, "--name", "ann again", "--json");
    expect(JSON.parse(accepted.out)).toMatchObject({ name: "ann again" });
    // The same invitation again is the same conversation; somebody else comes too late.
    const again = await bob.user("accept", uri, "--json", "--name", "another");
    expect(again.out).toBe(accepted.out);
    expect(again.err).toContain("the name stays: ann again");
    const dir = mkdtempSync(join(tmpdir(), "dchat-carl-"));
    const carl = ["--identity", join(dir, "carl.json"), "--data-dir", join(dir, "carl")];
    await runDchat(["keygen", "--output", join(dir, "carl.json"), "--burner"]);
    const late = await runDchat(["user", "accept", uri, ...carl]);
    expect([late.code, firstLine(late)]).toEqual([1, expect.stringContaining("was used already")]);
    rmSync(dir, { recursive: true });
    await ann.user("receive");
    const names = await ann.lines<{ name: string }>("contacts");
    expect(names.map(({ name }) => name)).toEqual(["bob", "once"]);
    expect(firstLine(await ann.user("invite", "--name", "once", "--bootstrap", relay.address))).toContain(
      "already",
    );
  });

  test("say where an invitation works on this machine only, and that a program wants no QR code", async () => {
    const { ann } = pair;
    const both = await ann.user("invite", "--qr", "--json", "--bootstrap", relay.address);
    expect([both.code, firstLine(both)]).toEqual([2, expect.stringContaining("leave one out")]);
    const { err } = await ann.user("invite", "--name", "near", "--bootstrap", relay.address);
    expect(err).toContain("works only on this machine");
    expect(err).toContain("--announce");
  });

  test("name a contact by its safety number where no name was given, alike in form on both sides", async () => {
    const { ann, bob } = pair;
    const { out } = await ann.user("invite", "--bootstrap", relay.address);
    await bob.user("accept", out.trim());
    expect((await ann.user("receive")).err).toMatch(/^joined {2}\d{5}-\d{5} accepted your invitation/m);
    const [ofAnn, ofBob] = await Promise.all([
      ann.lines<{ name: string; safetyNumber: string }>("contacts"),
      bob.lines<{ name: string; safetyNumber: string }>("contacts"),
    ]);
    expect(ofAnn.at(-1)?.name).toMatch(/^\d{5}-\d{5}$/);
    expect(ofBob.at(-1)?.name).toBe(ofAnn.at(-1)?.name ?? "");
    expect(ofBob.at(-1)?.safetyNumber).toBe(ofAnn.at(-1)?.safetyNumber ?? "");
    expect(ofAnn.at(-1)?.safetyNumber).toMatch(/^(\d{5} ){11}\d{5}$/);
  });
});

describe("dchat user with the relay away", () => {
  test("queues, says so, sends in order later, and waits with --wait", async () => {
    await using own = await spawnRelay();
    using two = await makePair(own.address);
    const { ann, bob } = two;
    await own.stop("SIGKILL");
    for (const text of ["one", "two"]) {
      const queued = await ann.user("send", "--to", "bob", text, "--json");
      expect(queued.code).toBe(0);
      expect(JSON.parse(queued.out)).toMatchObject({ sequence: null, text });
      expect(queued.err).toContain("queued");
    }
    expect((await ann.user("receive")).code).toBe(1);
    const waiting = ann.user("send", "--to", "bob", "three", "--wait", "--json");
    await Bun.sleep(1500);
    await using again = await spawnRelay({ dataDir: own.dataDir, same: own.file });
    const waited = await waiting;
    expect(JSON.parse(waited.out)).toMatchObject({ sequence: 2, text: "three" });
    // Who waits is told for what.
    expect(waited.err).toMatch(/^away {2}bob: /m);
    expect((await bob.lines<MessageLine>("receive")).map(({ text }) => text)).toEqual([
      "one",
      "two",
      "three",
    ]);
    expect(again.file.addresses).toEqual(own.file.addresses);
  });
});

describe("dchat user send --wait", () => {
  test.each([1, 2])("says that its text is queued when it is told to stop (%i signals)", async (signals) => {
    await using own = await spawnRelay();
    using two = await makePair(own.address);
    await own.stop();
    const flags = ["--identity", two.ann.identity, "--data-dir", two.ann.dataDir];
    const child = Bun.spawn([...dchatCommand, "user", "send", "--to", "bob", "later", "--wait", ...flags], {
      stdin: "ignore",
      stdout: "pipe",
      stderr: "pipe",
    });
    let [err, told] = ["", false];
    for await (const chunk of child.stderr.pipeThrough(new TextDecoderStream())) {
      err += chunk;
      if (!told && err.includes("away")) await interrupt(child, signals);
      told ||= err.includes("away");
    }
    expect([await child.exited, err]).toEqual([1, expect.stringMatching(/^away {2}bob: .*\nqueued {2}/)]);
    expect((await two.ann.lines<MessageLine>("history", "--with", "bob")).length).toBe(1);
  });
});

describe("dchat user with a relay that moved", () => {
  test("refuses --bootstrap without /p2p/ with exit 2, and asks nobody", async () => {
    const bare = relay.address.replace(/\/p2p\/.*$/, "");
    const { code, err } = await pair.ann.user("invite", "--name", "nobody", "--bootstrap", bare);
    expect(code).toBe(2);
    expect(err).toContain("--bootstrap must be a list of multiaddrs with their /p2p/ part");
    expect(err).toContain(`got "${bare}"`);
  });

  test("finds it by --bootstrap, and by relay.json of --relay-dir", async () => {
    await using own = await spawnRelay();
    using two = await makePair(own.address);
    const { ann, bob } = two;
    await own.stop();
    // Listens on other ports than before.
    await using moved = await spawnRelay({ dataDir: own.dataDir });
    expect(moved.address).not.toBe(own.address);
    expect((await ann.user("send", "--to", "bob", "one")).err).toContain("queued");
    const sent = await ann.user("send", "--to", "bob", "two", "--bootstrap", moved.address);
    expect([sent.code, sent.out]).toEqual([0, "1\n"]);
    const lines = await bob.lines<MessageLine>("receive", "--relay-dir", moved.dataDir);
    expect(lines.map(({ text }) => text)).toEqual(["one", "two"]);
  });

  test("says that its own relay is away where another one answers in its place", async () => {
    await using own = await spawnRelay();
    using two = await makePair(own.address);
    await own.stop();
    const ran = await two.ann.user("send", "--to", "bob", "one", "--bootstrap", relay.address);
    expect([ran.code, ran.err]).toEqual([0, expect.stringContaining("queued")]);
    expect(ran.err).toContain(own.address.replace(/\/p2p\/.*$/, ""));
  });
});

describe("dchat user with a passphrase", () => {
  test("keeps its database sealed, says whose directory it is, and names a missing key file", async () => {
    const dir = mkdtempSync(join(tmpdir(), "dchat-sealed-"));
    const [one, two] = [join(dir, "one.json"), join(dir, "two.json")];
    const passphrase = join(dir, "passphrase");
    writeFileSync(passphrase, "correct horse\n", { mode: 0o600 });
    for (const path of [one, two]) await runDchat(["keygen", "-o", path, "--passphrase-file", passphrase]);
    const user = (identity: string, ...more: string[]) =>
      runDchat(["user", "contacts", "--identity", identity, "--data-dir", join(dir, "device"), ...more]);
    expect((await user(one, "--passphrase-file", passphrase)).code).toBe(0);
    const other = await user(two, "--passphrase-file", passphrase);
    expect([other.code, firstLine(other)]).toEqual([
      expect.any(Number),
      expect.stringContaining("another identity"),
    ]);
    expect(other.code).not.toBe(0);
    const none = await user(one);
    expect(none.code).toBe(2);
    for (const way of ["--passphrase-file", "DCHAT_PASSPHRASE_FILE", "/dev/tty"])
      expect(none.err).toContain(way);
    const nobody = await runDchat(["user", "contacts"]);
    expect([nobody.code, firstLine(nobody)]).toEqual([2, expect.stringContaining("--identity")]);
    rmSync(dir, { recursive: true });
  });
});
