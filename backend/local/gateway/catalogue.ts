// What Supabase Lite knows of tables and views. For each request it searches the text of every view, once for
// every column, for types that only its SQLite has. Without the texts there is nothing to search, and a fifth
// of what a request costs is spared.
import type { PostgresConnection } from "@supabase/lite/postgres";

type Known = Awaited<ReturnType<PostgresConnection["introspect"]>>;

/** The connection, whose views are known by name and columns alone. */
export function withoutViewTexts(connection: PostgresConnection): PostgresConnection {
  const introspect = connection.introspect.bind(connection);
  return Object.assign(connection, {
    introspect: async (options?: { readonly useCache?: boolean }): Promise<Known> => {
      const known = await introspect(options);
      for (const view of known.views) view.sql = "";
      return known;
    },
  });
}
