-- For the retention: it looks for the oldest jobs, and for what their runs left behind.
create index jobs_oldest on jobs (created_at);
--;;
create index events_of_run on events (run_id);
--;;
create index runs_of_definition on runs (definition_hash);
