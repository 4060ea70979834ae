// Supabase Lite with the settings of this product: no admin mode, no studio, no e-mail, short tokens.
import { App } from "@supabase/lite";
import type { PostgresConnection } from "@supabase/lite/postgres";

export interface GatewaySettings {
  readonly databaseUrl: string;
  readonly port: number;
  readonly functionsPort: number;
  readonly publishableKey: string;
  readonly secretKey: string;
  readonly jwtSecret: string;
}

/** Supabase Lite on an open connection, with the settings of this product. */
export function liteApp(connection: PostgresConnection, settings: GatewaySettings): App {
  return new App({
    connection,
    api: { schemas: ["public"], extra_search_path: ["public"], max_rows: 5000 },
    auth: {
      enabled: true,
      enable_signup: true, // a trigger on auth.users asks for an invitation, here as on a hosted project
      jwt_secret: settings.jwtSecret,
      jwt_expiry: 900,
      publishable_key: settings.publishableKey,
      secret_key: settings.secretKey,
      enable_refresh_token_rotation: true,
      refresh_token_reuse_interval: 10,
      minimum_password_length: 8,
      email: { enable_signup: true, enable_confirmations: false },
    },
    options: {
      server: { admin: false, disableStudio: true, disableFallback: true },
      drivers: { email: { send: () => Promise.resolve() } }, // nothing on this path sends e-mail
    },
  });
}
