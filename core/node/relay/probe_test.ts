import { expect, test } from "bun:test";
import { keepProbing } from "./probe.ts";

/** A pipeline whose store hangs: probes wait until the test ends them. */
class Hung {
  failure: string | null = null;
  asked = 0;
  #answer = Promise.withResolvers<void>();

  probe(): Promise<void> {
    this.asked += 1;
    return this.#answer.promise;
  }

  answer(failure: string | null): void {
    this.failure = failure;
    this.#answer.resolve();
    this.#answer = Promise.withResolvers<void>();
  }
}

async function until(holds: () => boolean): Promise<void> {
  for (let tries = 0; tries < 400 && !holds(); tries += 1) await Bun.sleep(5);
  expect(holds()).toBe(true);
}

test("keepProbing() asks a sound store now and then, one question at a time", async () => {
  const pipeline = new Hung();
  using _ = keepProbing({ pipeline, soundMs: 10, failedMs: 5 });
  await until(() => pipeline.asked === 1);
  await Bun.sleep(50);
  expect(pipeline.asked).toBe(1);
  pipeline.answer("it hangs");
  await until(() => pipeline.asked === 2);
  pipeline.answer(null);
  await until(() => pipeline.asked === 3);
});

test("keepProbing() asks a store that failed at once", async () => {
  const pipeline = new Hung();
  using _ = keepProbing({ pipeline, failedMs: 5 });
  await Bun.sleep(50);
  expect(pipeline.asked).toBe(0);
  pipeline.failure = "the disk is full";
  await until(() => pipeline.asked === 1);
});
