/** Every subcommand. Each is a line here and a file beside this one, whose code loads when it is called. */
import type { Registry } from "./frame/mod.ts";

export const commands: Registry = {
  relay: {
    summary: "Run a relay: it keeps sealed entries until every device has read them",
    load: async () => (await import("./relay.ts")).relay,
  },
  "edge-process": {
    summary: "Hold connections for the relay that started it",
    hidden: true,
    load: async () => (await import("./edge_process.ts")).edgeProcess,
  },
  keygen: {
    summary: "Make a key file: an identity, a relay's key, a validator's",
    load: async () => (await import("./keygen.ts")).keygen,
    commands: {
      inspect: {
        summary: "Show the public parts of a key file",
        load: async () => (await import("./keygen.ts")).inspect,
      },
      rewrap: {
        summary: "Change the passphrase of a key file",
        load: async () => (await import("./keygen.ts")).rewrap,
      },
      export: {
        summary: "Write the key as bare PEM (PKCS#8)",
        load: async () => (await import("./keygen_pem.ts")).exportPem,
      },
      import: {
        summary: "Make a key file of a PEM (PKCS#8)",
        load: async () => (await import("./keygen_pem.ts")).importPem,
      },
    },
  },
  user: {
    summary: "Write to people: invitations, messages, contacts",
    load: null,
    commands: {
      invite: {
        summary: "Make an invitation for one person",
        load: async () => (await import("./user_meet.ts")).invite,
      },
      accept: {
        summary: "Accept an invitation",
        load: async () => (await import("./user_meet.ts")).accept,
      },
      send: {
        summary: "Send a text",
        load: async () => (await import("./user_talk.ts")).send,
      },
      receive: {
        summary: "Take what waits, and print what is new",
        load: async () => (await import("./user_talk.ts")).receive,
      },
      contacts: {
        summary: "Show whom you write with, and their safety numbers",
        load: async () => (await import("./user_meet.ts")).contacts,
      },
      conversations: {
        summary: "Show conversations and what waits in them",
        load: async () => (await import("./user_meet.ts")).conversations,
      },
      history: {
        summary: "Show what was said with somebody",
        load: async () => (await import("./user_talk.ts")).history,
      },
      evidence: {
        summary: "Show what proves to others that a relay broke its word",
        load: async () => (await import("./user_evidence.ts")).evidence,
        commands: {
          verify: {
            summary: "Say what a file of evidence proves, and about which relay",
            load: async () => (await import("./user_evidence.ts")).verify,
          },
        },
      },
    },
  },
  database: {
    summary: "Look after what a relay keeps: check, back up, restore, move",
    load: null,
    commands: {
      status: {
        summary: "Show the database, its schema's version and what it holds",
        load: async () => (await import("./database.ts")).status,
      },
      migrate: {
        summary: "Bring the schema up to date",
        load: async () => (await import("./database.ts")).migrate,
      },
      check: {
        summary: "Check everything that is stored, and name what is damaged",
        load: async () => (await import("./database.ts")).check,
      },
      backup: {
        summary: "Write everything to a file, while the relay runs",
        load: async () => (await import("./database.ts")).backup,
      },
      restore: {
        summary: "Fill an empty store from a backup",
        load: async () => (await import("./database.ts")).restore,
      },
      export: {
        summary: "Write everything to standard output, to move it",
        load: async () => (await import("./database.ts")).exportAll,
      },
      import: {
        summary: "Fill an empty store from standard input",
        load: async () => (await import("./database.ts")).importAll,
      },
    },
  },
  health: {
    summary: "Ask a relay whether it is alive and ready",
    load: async () => (await import("./health.ts")).health,
  },
  config: {
    summary: "Check the configuration, or show what is in force and whence",
    load: null,
    commands: {
      check: {
        summary: "Say whether the configuration is right",
        load: async () => (await import("./config.ts")).check,
      },
      show: {
        summary: "Show every setting, its value and where it comes from",
        load: async () => (await import("./config.ts")).show,
      },
    },
  },
};
