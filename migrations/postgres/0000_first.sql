CREATE TABLE "entry" (
	"mailbox" "bytea" NOT NULL,
	"seq" bigint NOT NULL,
	"id" "bytea" NOT NULL,
	"generation" bigint NOT NULL,
	"turn" bigint NOT NULL,
	"kind" smallint NOT NULL,
	"slot" integer NOT NULL,
	"time_ms" bigint NOT NULL,
	"expiry_ms" bigint NOT NULL,
	"entry_hash" "bytea" NOT NULL,
	"nodes" "bytea" NOT NULL,
	"taken_by" "bytea",
	"bytes" integer NOT NULL,
	"sum" bigint NOT NULL,
	"body" "bytea",
	CONSTRAINT "entry_mailbox_seq_pk" PRIMARY KEY("mailbox","seq")
);
--> statement-breakpoint
CREATE TABLE "mailbox" (
	"id" "bytea" PRIMARY KEY NOT NULL,
	"generation" bigint NOT NULL,
	"term" bigint NOT NULL,
	"owner" "bytea" NOT NULL,
	"writer" "bytea" NOT NULL,
	"entries_max" bigint NOT NULL,
	"bytes_max" bigint NOT NULL,
	"ttl_ms" bigint NOT NULL,
	"retention_ms" bigint NOT NULL,
	"size" bigint NOT NULL,
	"peaks" "bytea" NOT NULL,
	"turn" bigint NOT NULL,
	"version" bigint NOT NULL,
	"floor" bigint NOT NULL,
	"entries_held" bigint NOT NULL,
	"bytes_held" bigint NOT NULL,
	"created_ms" bigint NOT NULL,
	"deleted" boolean NOT NULL,
	"started_size" bigint,
	"started_root" "bytea",
	"started_ms" bigint,
	"sum" bigint NOT NULL,
	"swept" bigint NOT NULL,
	"sweep_ms" bigint
);
--> statement-breakpoint
CREATE TABLE "reader" (
	"mailbox" "bytea" NOT NULL,
	"key" "bytea" NOT NULL,
	"cursor" bigint NOT NULL,
	"lapsed" boolean NOT NULL,
	"sum" bigint NOT NULL,
	CONSTRAINT "reader_mailbox_key_pk" PRIMARY KEY("mailbox","key")
);
--> statement-breakpoint
CREATE TABLE "receipt" (
	"mailbox" "bytea" NOT NULL,
	"reader" "bytea" NOT NULL,
	"generation" bigint NOT NULL,
	"cursor" bigint NOT NULL,
	"not_after_ms" bigint NOT NULL,
	"signature" "bytea" NOT NULL,
	"sum" bigint NOT NULL,
	CONSTRAINT "receipt_mailbox_reader_pk" PRIMARY KEY("mailbox","reader")
);
--> statement-breakpoint
CREATE TABLE "dchat_state" (
	"number" integer PRIMARY KEY NOT NULL,
	"version" integer NOT NULL,
	"probes" bigint NOT NULL
);
--> statement-breakpoint
CREATE TABLE "turn" (
	"mailbox" "bytea" NOT NULL,
	"turn" bigint NOT NULL,
	"writer" "bytea" NOT NULL,
	"first_seq" bigint NOT NULL,
	"sum" bigint NOT NULL,
	CONSTRAINT "turn_mailbox_turn_pk" PRIMARY KEY("mailbox","turn")
);
--> statement-breakpoint
CREATE UNIQUE INDEX "entry_id" ON "entry" USING btree ("mailbox","id");--> statement-breakpoint
CREATE INDEX "entry_expiry" ON "entry" USING btree ("expiry_ms") WHERE body IS NOT NULL;--> statement-breakpoint
CREATE INDEX "entry_package" ON "entry" USING btree ("mailbox","slot") WHERE kind >= 2 AND taken_by IS NULL AND body IS NOT NULL;--> statement-breakpoint
CREATE INDEX "entry_taken" ON "entry" USING btree ("mailbox","taken_by") WHERE taken_by IS NOT NULL;--> statement-breakpoint
CREATE INDEX "mailbox_sweep" ON "mailbox" USING btree ("sweep_ms") WHERE sweep_ms IS NOT NULL;