import { afterAll, describe, expect, test } from "bun:test";
import { spawnRelay } from "../../../test/harness/relay.ts";
import { openDevices } from "../../../test/harness/device.ts";
import { type Fault, isFault, type PublicKey, publicKey } from "../../ground/mod.ts";
import { relayDial } from "./dial.ts";

const devices = await openDevices();
afterAll(() => devices[Symbol.asyncDispose]());

const CLOSED = "/ip4/127.0.0.1/tcp/1";
const NOBODY = publicKey(new Uint8Array(32).fill(7));

interface Tried {
  readonly addresses: readonly string[];
  readonly elsewhere?: readonly string[];
  readonly relay?: PublicKey | null;
}

/** What a dial is refused with. */
async function refused({ addresses, elsewhere = [], relay = NOBODY }: Tried): Promise<Fault> {
  const dial = relayDial({ ...devices, elsewhere: () => elsewhere, addressMs: 500 });
  const error: unknown = await dial({ addresses, relay }).then(
    () => "reached",
    (reason: unknown) => reason,
  );
  if (!isFault(error)) throw new Error(`no fault: ${String(error)}`);
  return error;
}

/** Takes connections and says nothing. */
function openSilence() {
  const server = Bun.listen({ hostname: "127.0.0.1", port: 0, socket: { data() {} } });
  return { address: `/ip4/127.0.0.1/tcp/${server.port}`, [Symbol.dispose]: () => server.stop(true) };
}

describe("relayDial()", () => {
  test("names each address that it tried and why it failed, and spends on none the time of the others", async () => {
    using silence = openSilence();
    const { code, message } = await refused({
      addresses: [silence.address, CLOSED, `${CLOSED}/ws`],
    });
    expect(code).toBe("edge/dial");
    expect(message.split("; ")).toEqual([
      `${silence.address}: no answer within 0.5 s`,
      `Cannot connect to ${CLOSED}: nothing listens there`,
      `Cannot connect to ${CLOSED}/ws: the WebSocket did not open`,
    ]);
  });

  test("reaches the relay by a later address, behind one that is silent", async () => {
    using silence = openSilence();
    await using relay = await spawnRelay();
    const dial = relayDial({ ...devices, elsewhere: () => [], addressMs: 2_000 });
    await using session = await dial({ addresses: [silence.address, relay.address], relay: null });
    expect(session.relay).toHaveLength(32);
  });

  test("tells another relay at the conversation's own address from one that is away", async () => {
    await using relay = await spawnRelay();
    const own = await refused({ addresses: [CLOSED, relay.address] });
    expect(own.code).toBe("session/other");
    expect(own.message).toContain(`${relay.address}: Another relay answers there`);
    const elsewhere = await refused({ addresses: [CLOSED], elsewhere: [relay.address] });
    expect(elsewhere.code).toBe("edge/dial");
    expect(elsewhere.message).toContain("Another relay answers there");
  });

  test("reaches a relay hundreds of times in a row without being turned away by its rate for one address", async () => {
    await using relay = await spawnRelay({ env: { DCHAT_RELAY_MAX_ACCEPTS_PER_SECOND: "50" } });
    const dial = relayDial({ ...devices, elsewhere: () => [] });
    const once = async () => {
      await using session = await dial({ addresses: [relay.address], relay: null });
      return session.ttlMsMax > 0;
    };
    expect(await Promise.all(Array.from({ length: 300 }, once))).not.toContain(false);
    // Whoever waits for its turn is let go within the same turn of the loop.
    const over = new AbortController();
    const target = { addresses: [relay.address], relay: null, signal: over.signal };
    let letGo = 0;
    const waiting = Array.from({ length: 300 }, () => dial(target).catch(() => (letGo += 1)));
    over.abort(new Error("that is enough"));
    await new Promise((resolve) => setImmediate(resolve));
    expect(letGo).toBeGreaterThan(200);
    await Promise.all(waiting);
  }, 60_000);

  test("says so where there is no address", async () => {
    expect((await refused({ addresses: [] })).message).toBe("The relay has no address");
  });
});
