/**
 * Every limit of the system, in one place, with its reason. Units are last in the name. The relations
 * between limits are asserted at the foot: a change that breaks one fails when the module is loaded.
 */
import { assert } from "./assert.ts";

const KIB = 1024;
const SECOND_MS = 1000;
const DAY_MS = 24 * 60 * 60 * SECOND_MS;

/** Entries have exactly one of these sizes, so that a length tells a relay next to nothing. */
export const ENTRY_SIZE_CLASSES_BYTES = [1 * KIB, 4 * KIB, 16 * KIB, 64 * KIB] as const;
export const ENTRY_BYTES_MAX = 64 * KIB;

/** Frame of the mailbox protocol, header included: one largest entry and its envelope. */
export const FRAME_HEADER_BYTES = 8;
export const FRAME_BYTES_MAX = 72 * KIB;

/** A store's batch: as many waiting commands as there are, at most these. */
export const BATCH_COMMANDS_MAX = 256;
/**
 * Signatures checked in one go on the sockets' thread: three milliseconds, and then whoever else waits has a turn.
 * Larger batches cost less each: 26.7 us at 64, 25.5 at 128, 23.3 at 256.
 */
export const VERIFY_BATCH_MAX = 128;
export const BATCH_WAIT_MS_MAX = 2;
export const BATCH_BYTES_MAX = 4 * 1024 * KIB;
/** Commands that wait for a batch before new ones are refused as busy: 16 full batches. */
export const QUEUE_COMMANDS_MAX = 4096;
export const QUEUE_BYTES_MAX = 32 * 1024 * KIB;

/**
 * A database server that hasn't finished a commit by then counts as away: far above what a batch takes, and so
 * short that clients, who wait some ten seconds, are told rather than left.
 */
export const STORE_DEADLINE_MS = 5 * SECOND_MS;
/** How often an idle relay asks whether its store still works; with the deadline, a server's hang shows in 10 s. */
export const STORE_PROBE_MS = 5 * SECOND_MS;
/** A store that hasn't answered by then counts as stuck, by whatever: longer than a server's own deadline. */
export const STORE_ANSWER_MS = 10 * SECOND_MS;
/** What a store holds is waited for this long: whoever scrapes metrics gives up soon. */
export const STORE_COUNTS_MS = SECOND_MS;
/** Where no answer comes in time the last one is shown, unless it is older than this. */
export const STORE_COUNTS_AGE_MS = 60 * SECOND_MS;

/**
 * What a SQLite store keeps free on its disk from appends and new mailboxes: twice what its log takes at most and
 * what the batches between two looks add. Without it nothing could expire any more.
 */
export const STORE_RESERVE_BYTES = 64 * 1024 * KIB;
/** With so much they are taken again; more than where they were refused, so that a relay isn't ready by turns. */
export const STORE_RESERVE_AGAIN_BYTES = 80 * 1024 * KIB;

/** Rows that a store's writer remembers between batches; some 2 KiB each, readers aside. */
export const MAILBOXES_CACHED_MAX = 4096;
/** Readers of these, together; some 300 bytes each. */
export const READERS_CACHED_MAX = 64 * 1024;
/** Entries that one sweep looks at in one transaction, so that commits never wait long for it. */
export const SWEEP_ENTRIES_MAX = 512;
/** Mailboxes that one sweep looks at in one transaction. */
export const SWEEP_MAILBOXES_MAX = 64;
/** When a sweep looks again at a mailbox that it found damaged. */
export const SWEEP_DAMAGED_MS = 60 * 60 * SECOND_MS;

/** A command names a time after which it no longer counts; relays refuse one further away than this. */
export const COMMAND_LIFETIME_MS_MAX = 7 * DAY_MS;
/** An entry id answers alike for longer than any command can live. */
export const ENTRY_ID_MEMORY_MS = 8 * DAY_MS;
/** Clocks of honest devices differ by no more than this. */
export const CLOCK_SKEW_MS_MAX = 5 * 60 * SECOND_MS;
/** A clock that is further ahead than this of the time that passed was set, or the machine slept: expiry halts. */
export const CLOCK_JUMP_MS_MAX = 60 * 60 * SECOND_MS;
/** A clock that says the same for so long is right: time for an operator to look, and no end to expiry where none does. */
export const CLOCK_SETTLE_MS = 6 * 60 * 60 * SECOND_MS;

export const ENTRY_TTL_MS_DEFAULT = 30 * DAY_MS;
export const ENTRY_TTL_MS_MIN = 60 * SECOND_MS;
export const ENTRY_TTL_MS_MAX = 90 * DAY_MS;
export const MAILBOX_ENTRIES_MAX_DEFAULT = 10_000;
export const MAILBOX_BYTES_MAX_DEFAULT = 64 * 1024 * KIB;
/** What an owner may ask for at most: a mailbox stays small beside a relay's disk. */
export const MAILBOX_ENTRIES_MAX = 1_000_000;
export const MAILBOX_BYTES_MAX = 1024 * 1024 * KIB;
/** What a mailbox can ever have had appended: in SQLite a number has 32 bits of its entry's key. */
export const MAILBOX_SIZE_MAX = 2 ** 32 - 1;
/** And a mailbox 31. */
export const SQLITE_MAILBOXES_MAX = 2 ** 31 - 1;
/**
 * The largest generation that a mailbox may be made with: the wire has 32 bits, and each restore takes one more. Unix
 * time in seconds, which honest owners take, gets there in 2106.
 */
export const GENERATION_CREATED_MAX = 2 ** 32 - 2 ** 16;
/** A description lists all readers in one frame. */
export const MAILBOX_READERS_MAX = 1024;
/** Reader keys that one control entry may add and remove, together: with 32 bytes each it still fits a frame. */
export const CONTROL_READERS_MAX = 128;

/** Readers whose receipts one answer tells: with 116 bytes each it fits a frame. */
export const RECEIPTS_MAX = 512;

/**
 * Packages and last resorts that wait in one mailbox: some for each of a person's devices. Each batch with a take looks
 * at all of them, and one take may be answered with as many.
 */
export const PACKAGES_MAX = 256;

/** Subscriptions of one stream; beyond, another stream. */
export const SUBSCRIPTIONS_MAX = 1024;
/** Credit that a reader may have outstanding on one stream, bytes of entries. */
export const CREDIT_BYTES_MAX = 16 * 1024 * KIB;
/** Bytes pushed for one mailbox before the next one's turn. */
export const DELIVERY_TURN_BYTES = 128 * KIB;
/** Entries of one turn, since tombstones have no bytes to count. */
export const DELIVERY_TURN_ENTRIES_MAX = 1024;
/** Turns that read from the store at once; with their bytes, what all readers that catch up may hold in memory. */
export const DELIVERY_TURNS_MAX = 32;
/** Commands of one stream and of one connection that wait for their answers; beyond, "busy". */
export const COMMANDS_PER_STREAM_MAX = 1024;
export const COMMANDS_PER_CONNECTION_MAX = 2048;
/** What a client is told to wait after "busy", "unavailable" or "goaway", before its own jitter. */
export const RETRY_MS_DEFAULT = 1 * SECOND_MS;
/** A READ answers with at most this much, so that one reader can't hold the store. */
export const READ_BYTES_MAX = 256 * KIB;

/**
 * Replies that one connection's streams wait to send, all together: an answer of a READ to each of half its streams. A
 * reading that half of this is in the way of is refused as busy; a stream that passes it is reset.
 */
export const HELD_REPLIES_BYTES_MAX = 8 * 1024 * KIB;

/** Noise: a frame's length has 16 bits; libp2p-noise spec. */
export const NOISE_FRAME_BYTES_MAX = 65_535;
/** Yamux's initial window, which every implementation grants without asking: no stream can have less. */
export const YAMUX_WINDOW_BYTES = 256 * KIB;
/** What a peer may have under way on one stream; more is for fast links over long ways, and memory for each stream. */
export const STREAM_WINDOW_BYTES_DEFAULT = 256 * KIB;
/** A yamux frame that a peer may send; more than the least window can't be of use. */
export const STREAM_FRAME_BYTES_MAX_DEFAULT = 256 * KIB;
/** js-libp2p and go-libp2p cut at this: below it they would be cut off for honest use. */
export const STREAM_FRAME_BYTES_MIN = 64 * KIB;
export const STREAMS_MAX_DEFAULT = 64;
/**
 * Streams that a peer may open a second, on average, and RATE_BURST_MS's worth at once; beyond, each is refused, so
 * that opening and resetting them in turn (rapid reset) costs as much as honest use.
 */
export const STREAM_OPENS_PER_SECOND_DEFAULT = 64;
export const MULTISTREAM_LINE_BYTES_MAX = 1024;
/** Proposals that one negotiation may make before it is given up. */
export const MULTISTREAM_PROPOSALS_MAX = 16;
/** A handshake message with the largest legal payload: RSA-8192 key, signature and a list of muxers. */
export const NOISE_HANDSHAKE_BYTES_MAX = 4 * KIB;
export const IDENTIFY_BYTES_MAX = 8 * KIB;
/**
 * Bytes queued for a slow reader; beyond, the link takes no more for it until half has gone, and the edge drops the
 * reader after a time.
 */
export const LINK_OUTPUT_MARK_BYTES = 256 * KIB;
/**
 * At so many marks a link takes nothing from a reader either. What writers fill up to the mark doesn't count for it:
 * two ends that both have much to send would wait for each other. What goes beyond is owed to input alone, windows that
 * reopen and answers to pings, a few KiB of it where the other end is honest.
 */
export const LINK_FULL_MARKS = 1.5;
/** Room for one largest frame of the mailbox protocol while another goes out. */
export const LINK_OUTPUT_MARK_BYTES_MIN = 160 * KIB;
export const HANDSHAKE_TIMEOUT_MS = 5 * SECOND_MS;
/** What all handshakes may take of one turn of the event loop while devices talk: any agreement of keys ends it. */
export const HANDSHAKE_TURN_MS = 0.05;
/** The same while nobody talks: three or so, and then sockets are asked again. */
export const HANDSHAKE_TURN_MS_MAX = 0.5;
/** Devices talk for as long after one said something that has been here for longer than the second of these. */
export const HANDSHAKE_TALK_MS = 10;
export const HANDSHAKE_NEW_MS = SECOND_MS;
/**
 * What of input is more than a portion has so much of a turn of the event loop, from all connections together: a socket
 * brings up to half a MiB at once and, where no other is ready, eleven times that, which in frames of a byte are 300,000.
 */
export const INPUT_TURN_MS = 0.5;
/** A portion: what anybody may bring in a turn, and what is dealt with between two looks at the clock. */
export const INPUT_PORTION_FRAMES = 64;
export const INPUT_PORTION_BYTES = 64 * KIB;
/** Connections whose input may wait for another turn, each with what a socket brings at once; more is taken at once. */
export const INPUT_WAITING_MAX = 64;
export const KEEPALIVE_INTERVAL_MS = 60 * SECOND_MS;
export const KEEPALIVE_TIMEOUT_MS = 30 * SECOND_MS;
export const SLOW_READER_TIMEOUT_MS = 30 * SECOND_MS;
/** A closed connection's last bytes have this long to leave. */
export const CLOSE_LINGER_MS = 5 * SECOND_MS;
/** The same where no handshake was done: there is an answer of a few lines, or nothing. */
export const REFUSAL_LINGER_MS = SECOND_MS;
/** Input kept while a link takes none: what a socket may still bring after it was paused, or one that can't be. */
export const HELD_INPUT_BYTES_MAX = 2 * 1024 * KIB;
/** Output that waits between a relay and one of its edge processes; above it neither takes more from its own side. */
export const EDGE_PIPE_MARK_BYTES = 1024 * KIB;
/** A frame between them: a piece of a stream, or a whole list of who may come in. */
export const EDGE_FRAME_BYTES_MAX = 16 * 1024 * KIB - 1;
/** What an edge process holds for one stream whose device doesn't take it: one whole frame while another is on its way. */
export const EDGE_STREAM_HELD_BYTES_MAX = 2 * FRAME_BYTES_MAX;
/** What a relay has dealt with of a stream that an edge process holds is told to it in lumps of at least this. */
export const EDGE_CONSUMED_BYTES_TOLD = YAMUX_WINDOW_BYTES / 8;
/** How long an edge process that died is waited for before the next is started: twice as long each time. */
export const EDGE_RESTART_MS_MIN = 100;
export const EDGE_RESTART_MS_MAX = 30 * SECOND_MS;
/** How often an edge process is asked whether it runs: one that hangs is ended within three of these. */
export const EDGE_ASK_MS = 5 * SECOND_MS;
/** An edge process that hears nothing from its relay by then was started by somebody else. */
export const EDGE_START_MS = 10 * SECOND_MS;
/** One WebSocket message: libp2p sends a few Noise frames in one. */
export const WEBSOCKET_MESSAGE_BYTES_MAX = 1024 * KIB;
/** The request that asks for a WebSocket, up to its empty line: browsers send half a KiB, and their cookies. */
export const WEBSOCKET_HEAD_BYTES_MAX = 8 * KIB;

/** With the files that a relay opens beside them this fits the 20,000 open files that many machines allow at most. */
export const CONNECTIONS_MAX_DEFAULT = 19_000;
export const CONNECTIONS_PER_ADDRESS_MAX_DEFAULT = 1_000;
/** From one /24 or /48: a carrier's or a campus's share of the default, and no more. */
export const CONNECTIONS_PER_SUBNET_MAX_DEFAULT = 4_000;
/** Devices have a fresh PeerId for each connection; stock libp2p hosts make a few with one. */
export const CONNECTIONS_PER_PEER_MAX_DEFAULT = 16;
/** Connections that an address may make a second, on average; four seconds' worth at once. */
export const ACCEPTS_PER_SECOND_MAX_DEFAULT = 50;
export const HANDSHAKES_MAX_DEFAULT = 512;
/** How often it is tried whether this process can open one more file; what is held open for when it can't. */
export const OPEN_FILES_LOOK_MS = SECOND_MS;
export const OPEN_FILES_SPARE = 16;
/** Connections are taken again when so many could be opened. */
export const OPEN_FILES_AGAIN = 64;
/** How often resident memory is looked at, and garbage collected at most while there is too much of it. */
export const MEMORY_LOOK_MS = SECOND_MS;
export const MEMORY_TIDY_MS = 60 * SECOND_MS;
/** What new work that memory lacks for is told to wait: it comes back as connections leave, not as commands end. */
export const MEMORY_RETRY_MS = 5 * SECOND_MS;
/**
 * What one connection may ask of a relay in a second, on average, and one signing key of one mailbox; beyond that
 * it is told when to come again. Far above what people do, and so low that one alone can't take the whole relay.
 */
export const RATE_BURST_MS = 4 * SECOND_MS;
/** Mailboxes made, reset and deleted: who moves a thousand conversations at once isn't held up. */
export const CREATES_PER_SECOND_MAX_DEFAULT = 500;
/** Half of what a relay with one good disk acknowledges in all. */
export const APPENDS_PER_SECOND_MAX_DEFAULT = 5_000;
/** Bodies of these: a quarter of a gigabit line. */
export const APPEND_BYTES_PER_SECOND_MAX_DEFAULT = 32 * 1024 * KIB;
/** Everything else that a reader asks, receipts among it: they come as fast as entries do. */
export const READS_PER_SECOND_MAX_DEFAULT = 5_000;
/** Each costs a look into the store and memory for as long as it lasts. */
export const SUBSCRIBES_PER_SECOND_MAX_DEFAULT = 500;
/**
 * Frames that are no command and no control frame: a newer peer may try a few, and is answered; whoever goes on loses the
 * stream. A frame of 8 bytes costs no less than a command.
 */
export const MALFORMED_PER_SECOND_MAX = 16;
/** Below this an entry of the largest size could never be appended. */
export const APPEND_BYTES_PER_SECOND_MIN = (ENTRY_BYTES_MAX * SECOND_MS) / RATE_BURST_MS;
export const SHUTDOWN_GRACE_MS_DEFAULT = 30 * SECOND_MS;

assert(
  STREAM_FRAME_BYTES_MIN <= STREAM_FRAME_BYTES_MAX_DEFAULT &&
    STREAM_FRAME_BYTES_MAX_DEFAULT <= YAMUX_WINDOW_BYTES,
  "a frame larger than a window can't be legal",
);
assert(OPEN_FILES_AGAIN > OPEN_FILES_SPARE, "there is room for connections when they are taken again");
assert(
  YAMUX_WINDOW_BYTES / 2 - EDGE_CONSUMED_BYTES_TOLD >= FRAME_BYTES_MAX,
  "a window reopens at half, and what was dealt with before it is told: a whole frame still fits what is left",
);
assert(STREAM_WINDOW_BYTES_DEFAULT >= YAMUX_WINDOW_BYTES, "a window can't be less than yamux starts with");
assert(
  LINK_OUTPUT_MARK_BYTES_MIN >= 2 * FRAME_BYTES_MAX && LINK_OUTPUT_MARK_BYTES >= LINK_OUTPUT_MARK_BYTES_MIN,
  "half of what may be queued has room for a frame",
);
assert(LINK_FULL_MARKS > 1, "a link whose writers wait still reads");
assert(HELD_INPUT_BYTES_MAX >= WEBSOCKET_MESSAGE_BYTES_MAX, "one message of a WebSocket can be held");
assert(NOISE_HANDSHAKE_BYTES_MAX <= NOISE_FRAME_BYTES_MAX, "a handshake message is a frame");
assert(
  STREAMS_MAX_DEFAULT <= (STREAM_OPENS_PER_SECOND_DEFAULT * RATE_BURST_MS) / SECOND_MS,
  "an honest peer may open all its streams at once",
);
assert(ENTRY_SIZE_CLASSES_BYTES.at(-1) === ENTRY_BYTES_MAX, "the largest size class is the largest entry");
assert(
  FRAME_BYTES_MAX > ENTRY_BYTES_MAX + CONTROL_READERS_MAX * 32 + 1024,
  "a frame holds the largest entry, its control part and its envelope",
);
assert(FRAME_BYTES_MAX > MAILBOX_READERS_MAX * 41 + 4096, "a frame holds a mailbox's description");
assert(FRAME_BYTES_MAX > RECEIPTS_MAX * 116 + 1024, "a frame holds a page of receipts");
assert(ENTRY_ID_MEMORY_MS > COMMAND_LIFETIME_MS_MAX, "ids are remembered longer than any command lives");
assert(
  COMMANDS_PER_STREAM_MAX >= SUBSCRIPTIONS_MAX && COMMANDS_PER_CONNECTION_MAX >= COMMANDS_PER_STREAM_MAX,
  "a client that comes back may ask for all its subscriptions at once",
);
assert(
  SUBSCRIPTIONS_MAX <= (SUBSCRIBES_PER_SECOND_MAX_DEFAULT * RATE_BURST_MS) / SECOND_MS,
  "a client that comes back may subscribe to all at once",
);
assert(
  MAILBOX_ENTRIES_MAX_DEFAULT <= (APPENDS_PER_SECOND_MAX_DEFAULT * RATE_BURST_MS) / SECOND_MS &&
    MAILBOX_BYTES_MAX_DEFAULT <= (APPEND_BYTES_PER_SECOND_MAX_DEFAULT * RATE_BURST_MS) / SECOND_MS,
  "a client may fill a mailbox again at once, after its relay has lost it",
);
assert(
  STORE_RESERVE_AGAIN_BYTES > STORE_RESERVE_BYTES,
  "a store that is short of room gets some before it goes on",
);
assert(STORE_ANSWER_MS > STORE_DEADLINE_MS, "a server's hang is told as what it is");
assert(CREDIT_BYTES_MAX >= ENTRY_BYTES_MAX, "credit can cover one largest entry");
assert(HELD_REPLIES_BYTES_MAX >= 4 * READ_BYTES_MAX, "a few answers of READs can wait");
assert(READERS_CACHED_MAX >= MAILBOX_READERS_MAX, "the row of any mailbox can be remembered");
assert(READ_BYTES_MAX >= ENTRY_BYTES_MAX, "a read can answer with one largest entry");
assert(
  BATCH_BYTES_MAX >= FRAME_BYTES_MAX && QUEUE_BYTES_MAX >= BATCH_BYTES_MAX,
  "queues hold at least one batch",
);
assert(
  ENTRY_TTL_MS_DEFAULT <= ENTRY_TTL_MS_MAX && ENTRY_TTL_MS_MIN < ENTRY_TTL_MS_DEFAULT,
  "the default TTL is legal",
);
