/**
 * What became of acknowledged entries: under load each store is killed by SIGKILL, or its disk loses its power
 * (root, a loop device, mkfs.ext4), and is started again on what is left. Held over acknowledged; what is held
 * beyond it was on its way.
 */
import { chmodSync, mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { canLoop, makeDisk } from "../test/durability/mount.ts";
import { numberOf, openLoad, tell } from "./harness/edge_subject.ts";
import { NATS_VERSION, natsServer, openNats } from "./harness/nats.ts";
import { openRelayHost } from "./harness/relay_subject.ts";
import { atMost, type Benchmark, type Row, type Size } from "./harness/result.ts";
import type { Subject } from "./harness/subject.ts";

const SECONDS: Readonly<Record<Size, number>> = { small: 1, standard: 2, large: 10 };
const LOAD = { writers: 20, window: 8, bytes: 1024 };
const DISK_MIB = 1024;

/** A store that is started on a folder, loaded, and asked what it holds. */
interface Keeper {
  readonly name: string;
  open(dir: string): Promise<Opened>;
}

interface Opened extends AsyncDisposable {
  readonly subject: Subject;
  readonly load: readonly [file: string, place: string];
  held(): Promise<number>;
}

type Blow = "kill -9" | "power loss";

export const benchmark: Benchmark = {
  name: "loss",
  about: "acknowledged entries that a kill -9 and a power loss take, beside NATS JetStream",
  standard: true,
  versions: () => ({ nats: NATS_VERSION }),
  async run({ size, everyPeer, progress }) {
    const notes: string[] = [];
    const keepers: Keeper[] = [relayKeeper()];
    const path = everyPeer ? await natsServer() : null;
    if (path !== null) keepers.push(natsKeeper(path, "always"), natsKeeper(path, "default"));
    else if (everyPeer) notes.push("NATS JetStream was left out: Go is missing here");
    const blows: Blow[] = ["kill -9"];
    if (size !== "small" && canLoop()) blows.push("power loss");
    else if (size !== "small")
      notes.push("power loss was left out: it needs root, a loop device and mkfs.ext4");
    const rows: Row[] = [];
    for (const blow of blows) {
      for (const keeper of keepers) {
        progress(`loss: ${keeper.name}, ${blow}`);
        rows.push(await measureLoss(keeper, blow, SECONDS[size]));
      }
    }
    const own = rows.filter(({ subject }) => subject === "dchat");
    const ratios = own.map(({ parameters, figures }) =>
      atMost(`acknowledged entries lost by ${parameters["blow"]}`, figures["lost"] ?? Number.NaN, 0),
    );
    return {
      rows,
      ratios,
      plots: [{ title: "Acknowledged entries that were lost", bars: ["blow"], y: "lost" }],
      notes,
    };
  },
};

function relayKeeper(): Keeper {
  return {
    name: "dchat",
    async open(dir) {
      const relay = await openRelayHost({ dir });
      return {
        subject: relay.subject,
        load: ["append_load.ts", relay.address],
        async held() {
          const status = await fetch(new URL("/v1/status", relay.api));
          const { held } = (await status.json()) as { held: { entries: number } };
          return held.entries;
        },
        [Symbol.asyncDispose]: () => relay[Symbol.asyncDispose](),
      };
    },
  };
}

function natsKeeper(path: string, sync: "always" | "default"): Keeper {
  return {
    name: `nats sync ${sync}`,
    async open(dir) {
      const nats = await openNats({ path, dir, sync });
      return {
        subject: nats.subject,
        load: ["nats_load.ts", String(nats.port)],
        async held() {
          await using load = await openLoad("nats_load.ts", [String(nats.port), "1"]);
          return numberOf(await tell(load, { count: true }), "held");
        },
        [Symbol.asyncDispose]: () => nats[Symbol.asyncDispose](),
      };
    },
  };
}

/** A folder to strike: on a disk of its own where the power is to go. */
interface Ground extends Disposable {
  readonly dir: string;
  strike(pid: number): void;
  /** Makes what is left readable again. */
  recover(): void;
}

function groundFor(blow: Blow): Ground {
  if (blow === "kill -9") {
    const dir = mkdtempSync(join(tmpdir(), "dchat-loss-"));
    return {
      dir,
      strike: (pid) => void process.kill(pid, "SIGKILL"),
      recover: () => undefined,
      [Symbol.dispose]: () => rmSync(dir, { recursive: true, force: true }),
    };
  }
  const disk = makeDisk(DISK_MIB);
  disk.mount();
  const dir = join(disk.path, "store");
  mkdirSync(dir);
  chmodSync(dir, 0o700);
  Bun.spawnSync(["sync", "-f", dir]);
  return {
    dir,
    strike(pid) {
      disk.cutPower();
      process.kill(pid, "SIGKILL");
    },
    recover() {
      disk.unmount();
      disk.mount();
    },
    [Symbol.dispose]: () => disk[Symbol.dispose](),
  };
}

async function measureLoss(keeper: Keeper, blow: Blow, seconds: number): Promise<Row> {
  using ground = groundFor(blow);
  const acknowledged = await (async () => {
    await using opened = await keeper.open(ground.dir);
    await using load = await openLoad(opened.load[0], [opened.load[1], String(LOAD.writers)]);
    const loaded = tell(load, { ...LOAD, seconds });
    await Bun.sleep(seconds * 700);
    ground.strike(opened.subject.pid);
    return numberOf(await loaded, "all");
  })();
  ground.recover();
  await using again = await keeper.open(ground.dir);
  const held = await again.held();
  return {
    subject: keeper.name,
    parameters: { blow },
    figures: { acknowledged, held, lost: Math.max(0, acknowledged - held) },
  };
}
