-- Results of events that came by NATS go there too, whoever runs them. An event that came by both doors
-- came by NATS as well.
alter table runs add column to_nats boolean not null default false;
--;;
-- accept_run for the NATS door. The mark is written before the state is read again: a run that ends
-- meanwhile either sees the mark when it settles, or is seen here as ended.
create function accept_run(
  p_source text, p_event_id text, p_run_id uuid, p_job_id text, p_request text, p_traceparent text,
  p_definition_hash text, p_definition text, p_names_agent boolean,
  p_worker text, p_lease_seconds double precision, p_may_start boolean,
  p_max_queued integer, p_max_queued_of_job integer,
  p_owner text, p_only_owner boolean, p_to_nats boolean
) returns table (
  is_new boolean, run_id uuid, job_id text, seq integer, status text, attempt integer, wait_no integer,
  definition_hash text, head_checkpoint_id text, behind_waiting boolean
) language plpgsql as $$
#variable_conflict use_column
declare
  taken record;
begin
  select * into taken from accept_run($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16);
  if taken is null or taken.run_id is null then
    return;
  end if;
  if p_to_nats then
    update runs r set to_nats = true where r.run_id = taken.run_id and not r.to_nats;
  end if;
  return query
    select taken.is_new, r.run_id, r.job_id, r.seq, r.status, r.attempt, r.wait_no,
           r.definition_hash, taken.head_checkpoint_id, taken.behind_waiting
      from runs r where r.run_id = taken.run_id;
end $$;
