ALTER TABLE "mailbox" ADD COLUMN "reader_sum" bigint DEFAULT 0 NOT NULL;--> statement-breakpoint
ALTER TABLE "mailbox" ADD COLUMN "receipt_sum" bigint DEFAULT 0 NOT NULL;