CREATE TABLE "notes" ("id" serial PRIMARY KEY NOT NULL);
--> statement-breakpoint
ALTER TABLE "notes" ADD COLUMN "body" text;--> statement-breakpoint
CREATE UNIQUE INDEX "notes_body" ON "notes" USING btree ("body");
