ALTER TABLE `mailbox` ADD `reader_sum` integer DEFAULT 0 NOT NULL;--> statement-breakpoint
ALTER TABLE `mailbox` ADD `receipt_sum` integer DEFAULT 0 NOT NULL;