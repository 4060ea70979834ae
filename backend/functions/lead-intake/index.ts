// The public form of landing pages with the real world behind it (handler.ts).
import { apiDatabase } from "../_shared/database.ts";
import { settingsFrom } from "../_shared/environment.ts";
import { Keyring } from "../_shared/keyring.ts";
import { handle } from "./handler.ts";

const DATABASE_MILLISECONDS = 10_000;
const settings = settingsFrom((name) => Deno.env.get(name));
const keyring = await Keyring.parse(settings.piiKey);
const database = apiDatabase(settings.apiUrl, settings.secretKey, fetch, DATABASE_MILLISECONDS);

export default {
  fetch(request: Request): Promise<Response> {
    return handle(request, { database, keyring, note: (line) => console.warn(line) });
  },
};
