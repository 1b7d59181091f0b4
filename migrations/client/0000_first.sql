CREATE TABLE `accept` (
	`inbox` blob PRIMARY KEY NOT NULL,
	`sealed` blob NOT NULL
);
--> statement-breakpoint
CREATE TABLE `conversation` (
	`id` integer PRIMARY KEY AUTOINCREMENT NOT NULL,
	`sealed` blob NOT NULL,
	`generation` integer NOT NULL,
	`size` integer NOT NULL,
	`peaks` blob NOT NULL,
	`turn` integer NOT NULL,
	`acknowledged` integer NOT NULL
);
--> statement-breakpoint
CREATE TABLE `epoch` (
	`conversation` integer PRIMARY KEY NOT NULL,
	`sealed` blob NOT NULL,
	`pending` blob
);
--> statement-breakpoint
CREATE TABLE `former` (
	`conversation` integer NOT NULL,
	`id` blob NOT NULL,
	`seq` integer NOT NULL,
	`lost` integer NOT NULL,
	`sealed` blob NOT NULL,
	PRIMARY KEY(`conversation`, `id`)
);
--> statement-breakpoint
CREATE TABLE `invite` (
	`id` integer PRIMARY KEY AUTOINCREMENT NOT NULL,
	`sealed` blob NOT NULL
);
--> statement-breakpoint
CREATE TABLE `leaf` (
	`conversation` integer NOT NULL,
	`generation` integer NOT NULL,
	`seq` integer NOT NULL,
	`id` blob NOT NULL,
	`turn` integer NOT NULL,
	`leaf` blob NOT NULL,
	`root` blob NOT NULL,
	PRIMARY KEY(`conversation`, `generation`, `seq`)
);
--> statement-breakpoint
CREATE INDEX `leaf_id` ON `leaf` (`conversation`,`id`);--> statement-breakpoint
CREATE TABLE `message` (
	`number` integer PRIMARY KEY AUTOINCREMENT NOT NULL,
	`conversation` integer NOT NULL,
	`id` blob NOT NULL,
	`generation` integer NOT NULL,
	`seq` integer,
	`mine` integer NOT NULL,
	`shown` integer NOT NULL,
	`sealed` blob NOT NULL
);
--> statement-breakpoint
CREATE UNIQUE INDEX `message_id` ON `message` (`conversation`,`id`);--> statement-breakpoint
CREATE INDEX `message_place` ON `message` (`conversation`,`generation`,`seq`);--> statement-breakpoint
CREATE INDEX `message_unshown` ON `message` (`conversation`) WHERE shown = 0;--> statement-breakpoint
CREATE TABLE `outgoing` (
	`order` integer PRIMARY KEY AUTOINCREMENT NOT NULL,
	`conversation` integer NOT NULL,
	`id` blob NOT NULL,
	`control` integer NOT NULL,
	`epoch` integer,
	`turn` integer,
	`entry` blob,
	`change` blob,
	`generation` integer,
	`seq` integer,
	`leaf` blob
);
--> statement-breakpoint
CREATE UNIQUE INDEX `outgoing_id` ON `outgoing` (`conversation`,`id`);--> statement-breakpoint
CREATE INDEX `outgoing_unsent` ON `outgoing` (`conversation`,`order`) WHERE seq IS NULL;--> statement-breakpoint
CREATE TABLE `ratchet` (
	`conversation` integer NOT NULL,
	`node` integer NOT NULL,
	`sealed` blob NOT NULL,
	PRIMARY KEY(`conversation`, `node`)
);
--> statement-breakpoint
CREATE TABLE `value` (
	`name` text PRIMARY KEY NOT NULL,
	`sealed` blob NOT NULL
);
--> statement-breakpoint
CREATE TABLE `wrap` (
	`number` integer PRIMARY KEY NOT NULL,
	`document` text NOT NULL
);
--> statement-breakpoint
CREATE TABLE `writer` (
	`conversation` integer NOT NULL,
	`turn` integer NOT NULL,
	`sealed` blob NOT NULL,
	PRIMARY KEY(`conversation`, `turn`)
);
