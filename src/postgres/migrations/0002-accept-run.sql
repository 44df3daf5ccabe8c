-- One round trip from event to run. A single statement cannot do it under read committed: its snapshot
-- is older than the lock on the job that it waits for, and two runs get one seq. In plpgsql each
-- statement has its own snapshot.
--
-- Refusals are errors of class AE, so that nothing of the call stays behind:
--   AE001 too many runs queued     AE002 first event of a job, without a definition
--   AE003 the hash is not stored: call again with the body
create function accept_run(
  p_source text, p_event_id text, p_run_id uuid, p_job_id text, p_request text, p_traceparent text,
  p_definition_hash text, p_definition text, p_names_agent boolean,
  p_worker text, p_lease_seconds double precision, p_may_start boolean,
  p_max_queued integer, p_max_queued_of_job integer
) returns table (
  is_new boolean, run_id uuid, job_id text, seq integer, status text, attempt integer, wait_no integer,
  definition_hash text, head_checkpoint_id text, behind_waiting boolean
) language plpgsql as $$
#variable_conflict use_column
declare
  job record;
  live text;
  starts boolean;
begin
  insert into events (source, event_id, kind, run_id) values (p_source, p_event_id, 'execute', p_run_id)
    on conflict do nothing;
  if not found then
    return query
      select false, r.run_id, r.job_id, r.seq, r.status, r.attempt, r.wait_no,
             r.definition_hash, null::text, false
        from events e join runs r on r.run_id = e.run_id
       where e.source = p_source and e.event_id = p_event_id;
    return;
  end if;

  if p_definition is not null then
    insert into definitions (hash, body) values (p_definition_hash, p_definition) on conflict do nothing;
  elsif p_definition_hash is not null then
    perform from definitions where hash = p_definition_hash;
    if not found then
      raise exception 'definition % is not stored', p_definition_hash using errcode = 'AE003';
    end if;
  end if;

  -- This upsert is the lock of the job: who comes second waits here and then sees what the first did.
  insert into jobs as j (job_id, last_seq, definition_hash) values (p_job_id, 1, p_definition_hash)
    on conflict (job_id) do update
      set last_seq = j.last_seq + 1,
          definition_hash = coalesce(excluded.definition_hash, j.definition_hash)
    returning j.last_seq, j.definition_hash, j.head_checkpoint_id into job;
  if job.definition_hash is null and not p_names_agent then
    raise exception 'job % has no definition yet', p_job_id using errcode = 'AE002';
  end if;

  select r.status into live from runs r
   where r.job_id = p_job_id and r.status in ('queued', 'running', 'waiting')
   order by r.status = 'waiting' desc limit 1;
  starts := live is null and p_may_start;
  if not starts then
    if (select count(*) from runs r where r.job_id = p_job_id and r.status = 'queued') >= p_max_queued_of_job
       or (select count(*) from runs r where r.status = 'queued') >= p_max_queued then
      raise exception 'the queue is full' using errcode = 'AE001';
    end if;
  end if;

  insert into runs (run_id, job_id, seq, source, event_id, request, traceparent, definition_hash,
                    status, attempt, leased_by, leased_until, accepted_at, started_at)
  values (p_run_id, p_job_id, job.last_seq, p_source, p_event_id, p_request, p_traceparent,
          case when p_names_agent then null else job.definition_hash end,
          case when starts then 'running' else 'queued' end,
          case when starts then 1 else 0 end,
          case when starts then p_worker end,
          case when starts then clock_timestamp() + make_interval(secs => p_lease_seconds) end,
          -- not now(): that is when the call began, which may be before that of the turn before it
          clock_timestamp(),
          case when starts then clock_timestamp() end);
  return query
    select true, p_run_id, p_job_id, job.last_seq,
           case when starts then 'running' else 'queued' end, case when starts then 1 else 0 end, 0,
           case when p_names_agent then null else job.definition_hash end,
           job.head_checkpoint_id, coalesce(live = 'waiting', false);
end $$;
