// postgres-migrations is a library without a program of its own: node postgres_migrations.mjs FOLDER, with DATABASE_URL.
import pg from "pg";
import { migrate } from "postgres-migrations";

const client = new pg.Client({ connectionString: process.env.DATABASE_URL });
await client.connect();
try {
  await migrate({ client }, process.argv[2]);
} finally {
  await client.end();
}
