ALTER TABLE `total` ADD `relay_sum` integer;--> statement-breakpoint
ALTER TABLE `total` ADD `made` integer DEFAULT 0 NOT NULL;--> statement-breakpoint
ALTER TABLE `total` ADD `made_ids` integer DEFAULT 0 NOT NULL;