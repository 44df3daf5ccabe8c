-- A run that is at work is asked to stop; the process that holds its lease does it.
alter table runs add column cancel_requested_at timestamptz, add column cancel_reason text;
--;;
create index runs_to_cancel on runs (run_id) where status = 'running' and cancel_requested_at is not null;
--;;
-- For the figures and the list of what was not taken: the delivered rows are the many.
create index outbox_undelivered on outbox (created_at) where delivered_at is null;
