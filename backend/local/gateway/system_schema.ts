// Creates or completes the schema `auth` as Supabase Lite wants it. Runs once per version, as superuser, before
// bootstrap.sql; the serving process never sees this connection.
import { connect } from "./database.ts";
import { quietConsole, sayReady, settingsFromParent } from "./lifeline.ts";
import { liteApp } from "./lite.ts";

quietConsole();
const { databaseUrl } = await settingsFromParent() as { databaseUrl: string };
const connection = connect(databaseUrl, 1);
const nobody = {
  publishableKey: "",
  secretKey: "",
  jwtSecret: crypto.randomUUID(),
  port: 0,
  functionsPort: 0,
};
await liteApp(connection, { databaseUrl, ...nobody }).ensureSystemSchema();
await connection.close();
sayReady({});
Deno.exit(0);
