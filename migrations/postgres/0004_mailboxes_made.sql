CREATE TABLE "dchat_census" (
	"number" integer PRIMARY KEY NOT NULL,
	"made" bigint NOT NULL,
	"ids" bigint NOT NULL
);
--> statement-breakpoint
ALTER TABLE "dchat_state" ADD COLUMN "relay_sum" bigint;