/** `dchat user send|receive|history`: what is said. */
import { type NamedMessage, OWN_NAME } from "@dchat/core/client/mod.ts";
import { limit } from "@dchat/core/ground/mod.ts";
import { listenForSignals } from "@dchat/core/node/mod.ts";
import { z } from "zod";
import { command, type Context, exit, usage } from "./frame/mod.ts";
import { noteAway, openDevice, userArgs, userShape } from "./user_open.ts";
import { messageJson, messagesText, showMessages } from "./user_print.ts";

const STDIN = "-";
/** Far above what fits, so that who sends too much is told how much it was. */
const STDIN_BYTES_MAX = 1024 * 1024;

export const send = command({
  about:
    "Sends a text and prints its sequence number once the relay has it on disk. With the relay away it waits in the outbox, sealed, and goes out in order with the next send or receive. A line of JSON has the same as one of receive; sequence is null while it waits.",
  args: {
    to: { type: "string", required: true, alias: "t", valueHint: "NAME", description: "Whom to write to" },
    text: {
      type: "positional",
      required: false,
      valueHint: "TEXT",
      description: "What to say; - or nothing reads it from standard input",
    },
    wait: { type: "boolean", description: "Wait for the relay, however long it is away" },
    ...userArgs,
  },
  input: z.strictObject({ to: z.string(), text: z.string().optional(), wait: z.boolean(), ...userShape }),
  examples: [
    { line: 'dchat user send --to ann "Hello Ann" -i keys/bob.json', does: "A line." },
    { line: "git log -1 | dchat user send --to ann - -i keys/bob.json", does: "What another program says." },
  ],
  async run({ to, text, wait, json, ...input }, context) {
    await using user = await openDevice({ ...input, json, follow: wait }, context);
    const said = text === undefined || text === STDIN ? await readStdin() : text;
    if (said === "") throw usage("There is nothing to send: the text is empty");
    const over = untilSignalled();
    const sent = await user.client.send({ to, text: said, wait, signal: over.signal });
    const { style } = context.out;
    if (json) {
      context.json({
        conversation: sent.conversation,
        sender: OWN_NAME,
        sequence: sent.seq,
        generation: sent.generation,
        time: new Date(sent.timeMs).toISOString(),
        text: sent.text,
      });
    } else if (sent.seq !== null) {
      context.print(
        context.out.interactive ? `${style.good("sent")}  ${style.dim(`#${sent.seq}`)}` : `${sent.seq}`,
      );
    }
    if (sent.seq === null) {
      // Who waits was told already.
      if (!wait) noteAway(user, context);
      context.note(`${context.err.style.warn("queued")}  it goes out with the next send or receive`);
    }
    // Whoever was told to wait, and then not to, hasn't done what was asked.
    if (sent.seq === null && wait) return exit.failed;
    return exit.done;
  },
});

/** Standard input as text, one line feed at its end taken off. Throws Fault<"cli/usage"> where it is none or has no end. */
async function readStdin(): Promise<string> {
  const decoder = new TextDecoder("utf-8", { fatal: true });
  let [text, length] = ["", 0];
  try {
    for await (const chunk of Bun.stdin.stream()) {
      length += chunk.length;
      if (length > STDIN_BYTES_MAX) {
        throw usage(
          `Standard input has more than ${STDIN_BYTES_MAX} bytes, and a text at most ${limit.ENTRY_BYTES_MAX} sealed`,
        );
      }
      text += decoder.decode(chunk, { stream: true });
    }
    text += decoder.decode();
  } catch (error) {
    if (error instanceof TypeError) throw usage("Standard input is no text: it isn't UTF-8");
    throw error;
  }
  return text.endsWith("\n") ? text.slice(0, -1) : text;
}

export const receive = command({
  about:
    "Takes what waits at the relays, joins what was accepted and says so, sends what waits in the outbox, prints what is new, each message once (again only where the command is killed while it prints; history has each once in any case), and ends; with --follow it stays until Ctrl-C. A line of JSON has conversation, sender (me for what you wrote), sequence, generation, time and text.",
  args: {
    follow: { type: "boolean", alias: "f", description: "Stay and print as messages come" },
    ...userArgs,
  },
  input: z.strictObject({ follow: z.boolean(), ...userShape }),
  examples: [
    { line: "dchat user receive -i keys/ann.json", does: "What is new." },
    { line: "dchat user receive --follow --json -i keys/ann.json", does: "JSON lines for another program." },
  ],
  async run({ follow, json, ...input }, context) {
    await using user = await openDevice({ ...input, json, follow }, context);
    const { client } = user;
    if (follow) {
      await stay(client, context, json);
      return exit.done;
    }
    let shown = 0;
    let failure: unknown = null;
    const print = (messages: readonly NamedMessage[]) => {
      showMessages(messages, context, json);
      shown += messages.length;
    };
    const show = inTurn(
      () => client.showNew(print),
      (error) => (failure ??= error),
    );
    await client.sync(undefined, () => void show());
    await show();
    if (failure !== null) throw failure;
    if (noteAway(user, context) || user.failed.size > 0) return exit.failed;
    const isNews = shown > 0 || user.joined.size > 0;
    if (!isNews && context.err.interactive) context.note(context.err.style.dim("Nothing new."));
    return exit.done;
  },
});

type UserClient = Awaited<ReturnType<typeof openDevice>>["client"];

/** Until SIGINT or SIGTERM. News that come while some is being shown are shown in one go after it. */
async function stay(client: UserClient, context: Context, json: boolean): Promise<void> {
  const over = untilSignalled();
  let failure: unknown = null;
  const show = inTurn(
    () => client.showNew((messages) => showMessages(messages, context, json), { signal: over.signal }),
    (error) => {
      failure = error;
      over.abort();
    },
  );
  void show();
  if (context.err.interactive && !json)
    context.note(context.err.style.dim("Waiting for messages; Ctrl-C ends it."));
  await client.follow(over.signal, () => void show());
  await show();
  if (failure !== null) throw failure;
}

/**
 * Aborts at the first SIGINT or SIGTERM; a second one that is meant ends the process. They are listened to until then,
 * so that the second of two at once doesn't end it while it closes.
 */
function untilSignalled(): AbortController {
  const over = new AbortController();
  const { first, second } = listenForSignals();
  void first.then(() => over.abort());
  void second.then(() => process.exit(exit.failed));
  return over;
}

/** Runs `work` whenever it is asked, one run at a time; what is asked meanwhile is done by one run more. */
function inTurn(work: () => Promise<void>, failed: (error: unknown) => void): () => Promise<void> {
  let running: Promise<void> = Promise.resolve();
  let waiting = false;
  return () => {
    if (waiting) return running;
    waiting = true;
    running = running
      .then(() => {
        waiting = false;
        return work();
      })
      .catch(failed);
    return running;
  };
}

export const history = command({
  about: "Shows everything that was said with somebody, in the order in which the relay has it.",
  args: {
    with: { type: "string", required: true, alias: "w", valueHint: "NAME", description: "With whom" },
    ...userArgs,
  },
  input: z.strictObject({ with: z.string(), ...userShape }),
  examples: [{ line: "dchat user history --with ann -i keys/bob.json", does: "The whole conversation." }],
  async run({ with: name, json, ...input }, context) {
    await using user = await openDevice({ ...input, json }, context);
    const messages = await user.client.history(name);
    if (json) for (const message of messages) context.json(messageJson(message));
    else context.out.write(messagesText(messages, context.out));
    return exit.done;
  },
});
