CREATE TABLE `evidence` (
	`number` integer PRIMARY KEY AUTOINCREMENT NOT NULL,
	`conversation` integer NOT NULL,
	`sealed` blob NOT NULL
);
--> statement-breakpoint
CREATE TABLE `head` (
	`conversation` integer PRIMARY KEY NOT NULL,
	`sealed` blob NOT NULL
);
--> statement-breakpoint
ALTER TABLE `outgoing` ADD `promise` blob;