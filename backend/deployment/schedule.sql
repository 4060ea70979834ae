-- Hosted projects only: the minute tick of the edge functions, by pg_cron and pg_net. The embedded stack has its
-- own tick. Address and key lie in the vault (desk_project_url, desk_cron_key), never in the job's text.
create extension if not exists pg_cron;
create extension if not exists pg_net;

-- Named jobs: scheduling again replaces them.
select cron.schedule('desk-sla-reminders', '* * * * *', $job$
    select net.http_post(
        url := (select decrypted_secret from vault.decrypted_secrets where name = 'desk_project_url')
            || '/functions/v1/sla-reminders',
        headers := jsonb_build_object('content-type', 'application/json', 'apikey',
            (select decrypted_secret from vault.decrypted_secrets where name = 'desk_cron_key')),
        body := '{}'::jsonb,
        timeout_milliseconds := 5000)
$job$);

-- pg_cron keeps a row per run for ever; two days are enough to see what went wrong.
select cron.schedule('desk-cron-history', '23 3 * * *', $job$
    delete from cron.job_run_details where end_time < now() - interval '2 days'
$job$);
