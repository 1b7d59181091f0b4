import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { COLUMNS, FITTING } from "../_columns.ts";
import {
  agreed,
  flipped,
  get,
  inbox,
  randomBytes,
  reshareMessages,
  signature,
  without,
} from "../frost/_ceremony.ts";
import {
  type Crypto,
  CryptoError,
  type CryptoPool,
  type CryptoPoolOptions,
  type Frost,
  type FrostAgreement,
  type FrostGeneration,
  type FrostMembership,
  FrostRefusal,
  openCrypto,
  openCryptoPool,
  openFrost,
} from "../mod.ts";

let crypto: Crypto;
let frost: Frost;

beforeAll(async () => {
  crypto = await openCrypto({ ...FITTING, needs: [] });
  frost = openFrost();
});

afterAll(async () => {
  await crypto[Symbol.asyncDispose]();
});

function poolOf(options: Partial<CryptoPoolOptions> = {}): CryptoPool {
  return openCryptoPool({ ed25519: crypto.ed25519, frost, waitingMax: 64, ...options });
}

interface Shared {
  readonly parts: ReadonlyMap<number, FrostGeneration>;
  readonly commitments: ReadonlyMap<number, Uint8Array>;
  readonly shares: ReadonlyMap<number, ReadonlyMap<number, Uint8Array>>;
}

async function shareOut(pool: CryptoPool, settings: FrostAgreement): Promise<Shared> {
  const parts = new Map<number, FrostGeneration>();
  for (const member of settings.members) parts.set(member, await pool.frost.generate(settings, member));
  const commitments = new Map([...parts].map(([member, part]) => [member, part.commitment]));
  const shares = new Map<number, ReadonlyMap<number, Uint8Array>>();
  for (const [member, part] of parts) shares.set(member, await part.share(without(commitments, member)));
  return { parts, commitments, shares };
}

async function generated(pool: CryptoPool, settings: FrostAgreement): Promise<Map<number, FrostMembership>> {
  const { parts, shares } = await shareOut(pool, settings);
  const all = [...parts].map(
    async ([member, part]) => [member, await part.finish(inbox(shares, member))] as const,
  );
  return new Map(await Promise.all(all));
}

/** What `work` rejects with. */
async function rejection(work: Promise<unknown>): Promise<unknown> {
  return work.then(
    () => {
      throw new Error("was not rejected");
    },
    (error: unknown) => error,
  );
}

function verifies(members: ReadonlyMap<number, FrostMembership>, signers: readonly number[]): boolean {
  const message = randomBytes(40);
  return crypto.ed25519.verify(
    get(members, 1).group.publicKey,
    message,
    signature(members, signers, message),
  );
}

describe("FrostPool", () => {
  test.each(COLUMNS)(
    "generates a key in threads, whose shares sign here, on the %s backends",
    async (backends) => {
      using pool = poolOf({ backends, workers: 2 });
      const members = await generated(pool, agreed(7, 4));
      expect(verifies(members, [1, 3, 5, 7])).toBe(true);
      expect(pool.waiting).toBe(0);
    },
  );

  test("leaves small ceremonies in place, and all where there are no threads or they were disposed", async () => {
    using small = poolOf({ script: "/nowhere.ts" });
    expect(verifies(await generated(small, agreed(3, 2)), [1, 3])).toBe(true);
    using none = poolOf({ workers: 0 });
    expect(verifies(await generated(none, agreed(6, 2)), [1, 3])).toBe(true);
    const disposed = poolOf();
    disposed[Symbol.dispose]();
    expect(verifies(await generated(disposed, agreed(6, 2)), [1, 3])).toBe(true);
  });

  test("takes dealt and reshared shares in a thread", async () => {
    using pool = poolOf({ membersMin: 2 });
    const settings = agreed(4, 2);
    const members = new Map<number, FrostMembership>();
    for (const [member, message] of frost.deal(settings)) {
      const copy = message.slice();
      members.set(member, await pool.frost.accept(settings, { member, message }));
      expect(message).toEqual(copy);
    }
    expect(verifies(members, [2, 4])).toBe(true);
    const { group } = get(members, 1);
    const reshare = {
      session: randomBytes(32),
      group,
      dealers: [1, 2],
      members: [1, 3, 4, 5],
      threshold: 3,
    };
    const { commitments, shares } = reshareMessages(reshare, members);
    const anew = new Map<number, FrostMembership>();
    for (const member of reshare.members) {
      const received = { member, commitments, shares: inbox(shares, member) };
      anew.set(member, await pool.frost.finishReshare(reshare, received));
    }
    expect(get(anew, 5).share.publicKey).toEqual(group.publicKey);
    expect(verifies(anew, [1, 3, 5])).toBe(true);
  });

  test("refuses as in place, naming the sender, and goes on with what it sends anew", async () => {
    using pool = poolOf({ membersMin: 2 });
    const { parts, shares } = await shareOut(pool, agreed(3, 2));
    const good = inbox(shares, 1);
    const error = await rejection(get(parts, 1).finish(new Map(good).set(3, flipped(get(good, 3), -1))));
    expect(error).toBeInstanceOf(FrostRefusal);
    expect(error).toMatchObject({ code: "protocol", culprits: [3] });
    expect((await get(parts, 1).finish(good)).share.member).toBe(1);
    expect(await rejection(get(parts, 1).finish(good))).toMatchObject({ code: "disposed" });
  });

  test("names a wrong argument", async () => {
    using pool = poolOf({ membersMin: 2 });
    const wrong = { ...agreed(3, 2), session: new Uint8Array(31) };
    expect(await rejection(pool.frost.generate(wrong, 1))).toMatchObject({ code: "argument" });
    expect(await rejection(pool.frost.generate(agreed(3, 2), 0))).toMatchObject({ code: "argument" });
    expect(await rejection(pool.frost.generate(agreed(17, 2), 1))).toMatchObject({ code: "argument" });
    const notBytes = JSON.parse('"text"') as Uint8Array;
    const accepted = pool.frost.accept(agreed(3, 2), { member: 1, message: notBytes });
    expect(await rejection(accepted)).toMatchObject({
      code: "argument",
      message: "message must be a Uint8Array, got string",
    });
  });

  test("refuses what is more than may wait, changing nothing, while batches are done in place", async () => {
    using pool = poolOf({ membersMin: 2, waitingMax: 2 });
    const { parts, commitments } = await shareOut(pool, agreed(3, 2));
    const shares = [1, 2].map((member) => pool.frost.generate(agreed(3, 2), member));
    expect(pool.waiting).toBe(2);
    expect(await rejection(pool.frost.generate(agreed(3, 2), 3))).toMatchObject({ code: "busy" });
    expect(await rejection(get(parts, 1).finish(without(commitments, 1)))).toMatchObject({ code: "busy" });
    const item = { key: new Uint8Array(32), message: randomBytes(3), signature: randomBytes(64) };
    expect(await pool.verifyBatch(Array.from({ length: 20 }, () => item))).toHaveLength(20);
    expect(pool.waiting).toBe(2);
    await Promise.all(shares);
    expect((await pool.frost.generate(agreed(3, 2), 3)).member).toBe(3);
  });

  test("stops waiting when told to: before, and in the middle, which ends the key generation", async () => {
    using pool = poolOf({ membersMin: 2 });
    const reason = new Error("enough");
    const told = { signal: AbortSignal.abort(reason) };
    expect(await rejection(pool.frost.generate(agreed(3, 2), 1, told))).toBe(reason);
    const { parts, commitments, shares } = await shareOut(pool, agreed(3, 2));
    expect(await rejection(get(parts, 2).finish(inbox(shares, 2), told))).toBe(reason);
    expect((await get(parts, 2).finish(inbox(shares, 2))).share.member).toBe(2);
    const stop = new AbortController();
    const step = get(parts, 1).finish(inbox(shares, 1), stop);
    stop.abort(reason);
    expect(await rejection(step)).toBe(reason);
    expect(pool.waiting).toBe(1);
    expect(await rejection(get(parts, 1).share(without(commitments, 1)))).toMatchObject({ code: "disposed" });
    expect((await get(parts, 3).finish(inbox(shares, 3))).share.member).toBe(3);
    expect(pool.waiting).toBe(0);
  });

  test("rejects what a thread died of, and has another for what comes next", async () => {
    const script = new URL("./_dying_worker.ts", import.meta.url);
    using pool = poolOf({ membersMin: 2, script });
    for (let round = 0; round < 5; round++) {
      const { parts, commitments, shares } = await shareOut(pool, agreed(2, 2));
      const [dying, behind] = [
        get(parts, 1).finish(inbox(shares, 1)),
        get(parts, 2).finish(inbox(shares, 2)),
      ];
      for (const error of await Promise.all([rejection(dying), rejection(behind)])) {
        expect(error).toBeInstanceOf(CryptoError);
        expect(error).toMatchObject({ code: "backend" });
      }
      expect(await rejection(get(parts, 1).share(without(commitments, 1)))).toMatchObject({
        code: "backend",
      });
      expect(pool.waiting).toBe(0);
    }
  });

  test("does all in place where threads die one after the other without doing anything", async () => {
    using pool = poolOf({ membersMin: 2, script: new URL("./nowhere.ts", import.meta.url) });
    for (let round = 0; round < 3; round++) {
      expect(await rejection(pool.frost.generate(agreed(2, 2), 1))).toMatchObject({ code: "backend" });
    }
    expect(verifies(await generated(pool, agreed(2, 2)), [1, 2])).toBe(true);
  });

  test("keeps nothing of what it took and gave away", async () => {
    using pool = poolOf({ membersMin: 2 });
    const handles = frost.handles;
    const members = await generated(pool, agreed(3, 2));
    expect(frost.handles).toBe(handles + 6);
    for (const { share, group } of members.values()) {
      share[Symbol.dispose]();
      group[Symbol.dispose]();
    }
    expect(frost.handles).toBe(handles);
  });

  test("rejects what waits when it is disposed, and says so to its key generations", async () => {
    const pool = poolOf({ membersMin: 2 });
    const { parts, shares } = await shareOut(pool, agreed(2, 2));
    const waiting = get(parts, 1).finish(inbox(shares, 1));
    pool[Symbol.dispose]();
    expect(await rejection(waiting)).toMatchObject({ code: "disposed" });
    expect(await rejection(get(parts, 2).finish(inbox(shares, 2)))).toBeInstanceOf(CryptoError);
  });
});
