"""Brings a hosted project to the state of this version: `python -m backend deploy`.

Five parts, in this order: `database` (schema.sql), `auth` (the few settings of Supabase Auth that the desk
needs), `secrets` and `functions` (edge functions), `schedule` (the minute tick by pg_cron). The database
remembers what was sent (`private.deployments`), so a deployment that was cut off goes on where it stopped.
"""
