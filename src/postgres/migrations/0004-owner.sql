-- A job belongs to who started it. The check stands inside accept_run, after the lock of the job: of two
-- who start a job at the same moment one owns it, and the other is refused with nothing left behind.
--
--   AE004 the job, or the run that the copied event started, belongs to someone else
--
-- p_owner: who asks, and who owns the job if this is its first event; null where nobody is told apart.
-- p_only_owner: false for operators, for doors that trust all who get in, and without OIDC.
create function accept_run(
  p_source text, p_event_id text, p_run_id uuid, p_job_id text, p_request text, p_traceparent text,
  p_definition_hash text, p_definition text, p_names_agent boolean,
  p_worker text, p_lease_seconds double precision, p_may_start boolean,
  p_max_queued integer, p_max_queued_of_job integer,
  p_owner text, p_only_owner boolean
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
    if p_only_owner and exists (
      select from events e join runs r on r.run_id = e.run_id join jobs j on j.job_id = r.job_id
       where e.source = p_source and e.event_id = p_event_id and j.owner is distinct from p_owner
    ) then
      raise exception 'the event of this source and id belongs to someone else' using errcode = 'AE004';
    end if;
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
  insert into jobs as j (job_id, last_seq, definition_hash, owner)
    values (p_job_id, 1, p_definition_hash, p_owner)
    on conflict (job_id) do update
      set last_seq = j.last_seq + 1,
          definition_hash = coalesce(excluded.definition_hash, j.definition_hash)
    returning j.last_seq, j.definition_hash, j.head_checkpoint_id, j.owner into job;
  if p_only_owner and job.owner is distinct from p_owner then
    raise exception 'job % belongs to someone else', p_job_id using errcode = 'AE004';
  end if;
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
--;;
-- Processes of the edition before this one, during a rolling update: they tell nobody apart.
create or replace function accept_run(
  p_source text, p_event_id text, p_run_id uuid, p_job_id text, p_request text, p_traceparent text,
  p_definition_hash text, p_definition text, p_names_agent boolean,
  p_worker text, p_lease_seconds double precision, p_may_start boolean,
  p_max_queued integer, p_max_queued_of_job integer
) returns table (
  is_new boolean, run_id uuid, job_id text, seq integer, status text, attempt integer, wait_no integer,
  definition_hash text, head_checkpoint_id text, behind_waiting boolean
) language sql as $$
  select * from accept_run($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, null::text, false)
$$;
--;;
-- The list of one's own jobs, newest first.
create index jobs_newest_of_owner on jobs (owner, created_at desc, job_id desc) where owner is not null;
