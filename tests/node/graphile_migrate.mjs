// Commit SQL files and apply them as graphile-migrate does: node graphile_migrate.mjs FOLDER FILE…, with the database in
// libpq's variables. FOLDER gets the committed migrations. The hashes are its own; its `commit` needs a second database.
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { basename, join } from "node:path";

const require = createRequire(import.meta.url);
const { migrate } = require("graphile-migrate");
const { calculateHash } = require("graphile-migrate/dist/hash");

const [folder, ...files] = process.argv.slice(2);
mkdirSync(join(folder, "committed"), { recursive: true });
let previous = null;
for (const file of files) {
  const body = readFileSync(file, "utf8");
  const hash = calculateHash(body, previous);
  writeFileSync(
    join(folder, "committed", basename(file)),
    `--! Previous: ${previous ?? "-"}\n--! Hash: ${hash}\n\n${body}`,
  );
  previous = hash;
}
const database = process.env.PGDATABASE;
await migrate({ connectionString: `postgresql:///${database}`, migrationsFolder: folder });
