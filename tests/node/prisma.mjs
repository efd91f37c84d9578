// Apply a folder of Prisma's migrations as `prisma migrate deploy` does: node prisma.mjs FOLDER, with the database in
// libpq's variables. This is Prisma's own engine; the package `prisma` around it is ten times as large.
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { PrismaPg } from "@prisma/adapter-pg";
import { bindMigrationAwareSqlAdapterFactory } from "@prisma/driver-adapter-utils";
import { SchemaEngine } from "@prisma/schema-engine-wasm";

const folder = process.argv[2];
const names = readdirSync(folder, { withFileTypes: true })
  .filter((entry) => entry.isDirectory())
  .map((entry) => entry.name)
  .sort();
const migrationDirectories = names.map((path) => ({
  path,
  migrationFile: {
    path: "migration.sql",
    content: { tag: "ok", value: readFileSync(join(folder, path, "migration.sql"), "utf8") },
  },
}));
const engine = await SchemaEngine.new(
  { datamodels: [["schema.prisma", 'datasource db { provider = "postgresql" }']] },
  () => {},
  bindMigrationAwareSqlAdapterFactory(new PrismaPg({})),
);
try {
  await engine.applyMigrations({
    migrationsList: {
      baseDir: folder,
      lockfile: { path: "migration_lock.toml", content: 'provider = "postgresql"\n' },
      shadowDbInitScript: "",
      migrationDirectories,
    },
    filters: { externalTables: [], externalEnums: [] },
  });
  process.exit(0);
} catch (error) {
  console.error(error.message);
  process.exit(1);
}
