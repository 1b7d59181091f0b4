CREATE TABLE `body` (
	`number` integer PRIMARY KEY NOT NULL,
	`bytes` blob NOT NULL
);
--> statement-breakpoint
CREATE TABLE `entry` (
	`place` integer PRIMARY KEY NOT NULL,
	`id` blob NOT NULL,
	`generation` integer NOT NULL,
	`turn` integer NOT NULL,
	`kind` integer NOT NULL,
	`slot` integer NOT NULL,
	`time_ms` integer NOT NULL,
	`expiry_ms` integer NOT NULL,
	`entry_hash` blob NOT NULL,
	`nodes` blob NOT NULL,
	`taken_by` blob,
	`body` integer,
	`bytes` integer NOT NULL,
	`sum` integer NOT NULL
);
--> statement-breakpoint
CREATE UNIQUE INDEX `entry_id` ON `entry` ((place >> 32),`id`);--> statement-breakpoint
CREATE INDEX `entry_expiry` ON `entry` (`expiry_ms`) WHERE body IS NOT NULL;--> statement-breakpoint
CREATE INDEX `entry_package` ON `entry` ((place >> 32),`slot`) WHERE kind >= 2 AND taken_by IS NULL AND body IS NOT NULL;--> statement-breakpoint
CREATE INDEX `entry_taken` ON `entry` ((place >> 32),`taken_by`) WHERE taken_by IS NOT NULL;--> statement-breakpoint
CREATE TABLE `mailbox` (
	`box` integer PRIMARY KEY NOT NULL,
	`id` blob NOT NULL,
	`generation` integer NOT NULL,
	`term` integer NOT NULL,
	`owner` blob NOT NULL,
	`writer` blob NOT NULL,
	`entries_max` integer NOT NULL,
	`bytes_max` integer NOT NULL,
	`ttl_ms` integer NOT NULL,
	`retention_ms` integer NOT NULL,
	`size` integer NOT NULL,
	`peaks` blob NOT NULL,
	`turn` integer NOT NULL,
	`version` integer NOT NULL,
	`floor` integer NOT NULL,
	`entries_held` integer NOT NULL,
	`bytes_held` integer NOT NULL,
	`created_ms` integer NOT NULL,
	`deleted` integer NOT NULL,
	`started_size` integer,
	`started_root` blob,
	`started_ms` integer,
	`sum` integer NOT NULL,
	`swept` integer NOT NULL,
	`sweep_ms` integer
);
--> statement-breakpoint
CREATE UNIQUE INDEX `mailbox_id` ON `mailbox` (`id`);--> statement-breakpoint
CREATE INDEX `mailbox_sweep` ON `mailbox` (`sweep_ms`) WHERE sweep_ms IS NOT NULL;--> statement-breakpoint
CREATE TABLE `reader` (
	`number` integer PRIMARY KEY NOT NULL,
	`box` integer NOT NULL,
	`key` blob NOT NULL,
	`cursor` integer NOT NULL,
	`lapsed` integer NOT NULL,
	`sum` integer NOT NULL
);
--> statement-breakpoint
CREATE UNIQUE INDEX `reader_key` ON `reader` (`box`,`key`);--> statement-breakpoint
CREATE TABLE `receipt` (
	`number` integer PRIMARY KEY NOT NULL,
	`box` integer NOT NULL,
	`reader` blob NOT NULL,
	`generation` integer NOT NULL,
	`cursor` integer NOT NULL,
	`not_after_ms` integer NOT NULL,
	`signature` blob NOT NULL,
	`sum` integer NOT NULL
);
--> statement-breakpoint
CREATE UNIQUE INDEX `receipt_reader` ON `receipt` (`box`,`reader`);--> statement-breakpoint
CREATE TABLE `total` (
	`number` integer PRIMARY KEY NOT NULL,
	`mailboxes` integer NOT NULL,
	`entries` integer NOT NULL,
	`bytes` integer NOT NULL,
	`probes` integer NOT NULL
);
--> statement-breakpoint
CREATE TABLE `turn` (
	`number` integer PRIMARY KEY NOT NULL,
	`box` integer NOT NULL,
	`turn` integer NOT NULL,
	`writer` blob NOT NULL,
	`first_seq` integer NOT NULL,
	`sum` integer NOT NULL
);
--> statement-breakpoint
CREATE UNIQUE INDEX `turn_turn` ON `turn` (`box`,`turn`);