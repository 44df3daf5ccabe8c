-- Who did what to which run, when, and a digest of what it was about. Triggers write it, in the very
-- statements that change a run: nothing that changes one can forget it, and no round trip is added.
create table event_log (
  entry_no bigint generated always as identity primary key,
  at timestamptz not null default clock_timestamp(),
  type text not null,
  level text not null,
  job_id text,
  run_id uuid,
  -- what kind of name it is stands before it: subject, source, worker, approver, target, or a word alone
  who text not null,
  digest text,
  details text not null,
  payload text
);
--;;
create index event_log_of_job on event_log (job_id, entry_no);
--;;
create index event_log_oldest on event_log (at);
--;;
-- The level of a type, as the process says it: `;run.settled=verbose;result=off;=standard`. The whole type
-- goes before what stands before its dot, and that before all others.
create function event_log_level(p_type text) returns text language plpgsql stable as $$
declare
  levels text := current_setting('agent_executor.event_log', true);
begin
  if coalesce(levels, '') = '' then return 'standard'; end if;
  return coalesce(
    substring(levels from ';' || p_type || '=([a-z]+)'),
    substring(levels from ';' || split_part(p_type, '.', 1) || '=([a-z]+)'),
    substring(levels from ';=([a-z]+)'),
    'standard');
end $$;
--;;
-- The start of a text without what looks like a secret, and how much is left out. A value behind a key of
-- that kind goes up to the end of its string, or of what is looked at: rather too much than too little.
create function event_log_payload(p_text text) returns text language sql immutable as $$
  select json_build_object(
           'text', left(shown, 2000),
           'omitted_chars', greatest(char_length(shown) - 2000, 0) + greatest(char_length(p_text) - 8000, 0))::text
    from regexp_replace(regexp_replace(left(p_text, 8000),
           '(\\*"[^"\\]*(?:password|passwd|secret|token|api[_-]?key|authorization|credential|private[_-]?key)[^"\\]*\\*"\s*:\s*\\*")(?:[^"\\]|\\.)*',
           '\1[redacted]', 'gi'),
           '(Bearer\s+|sk-)[A-Za-z0-9._~+/=-]{8,}', '\1[redacted]', 'gi') as shown
   where p_text is not null
$$;
--;;
create function write_event_log(
  p_type text, p_job_id text, p_run_id uuid, p_who text, p_about text, p_details json,
  p_least text default 'standard'
) returns void language plpgsql as $$
declare
  level text := event_log_level(p_type);
begin
  if level = 'off' or (p_least = 'verbose' and level <> 'verbose') then return; end if;
  insert into event_log (type, level, job_id, run_id, who, digest, details, payload)
  values (p_type, level, p_job_id, p_run_id, coalesce(p_who, 'anyone'),
          encode(sha256(convert_to(p_about, 'UTF8')), 'hex'), json_strip_nulls(p_details)::text,
          case when level = 'verbose' then event_log_payload(p_about) end);
end $$;
--;;
create function log_run_inserted() returns trigger language plpgsql set search_path from current as $$
declare
  is_retry boolean := new.source = 'urn:agent-executor:retry';
begin
  perform write_event_log(
    case when is_retry then 'run.retried' else 'run.accepted' end, new.job_id, new.run_id,
    coalesce(nullif(current_setting('agent_executor.actor', true), ''),
             case when not is_retry then 'source:' || new.source end),
    new.request,
    json_build_object('seq', new.seq, 'source', new.source, 'event_id', new.event_id, 'status', new.status,
                      'worker', new.leased_by, 'definition_hash', new.definition_hash,
                      'traceparent', new.traceparent));
  return null;
end $$;
--;;
create trigger runs_log_insert after insert on runs for each row execute function log_run_inserted();
--;;
create function log_run_changed() returns trigger language plpgsql set search_path from current as $$
declare
  actor text := nullif(current_setting('agent_executor.actor', true), '');
  who text := coalesce(actor, 'worker:' || old.leased_by);
begin
  if new.status = 'running' and new.attempt > old.attempt then
    perform write_event_log('run.claimed', new.job_id, new.run_id, 'worker:' || new.leased_by, null,
      json_build_object('attempt', new.attempt, 'failures', new.failures,
                        'taken_over_from', case when old.status = 'running' then old.leased_by end));
  elsif new.cancel_requested_at is distinct from old.cancel_requested_at then
    perform write_event_log('run.cancel_requested', new.job_id, new.run_id, actor, new.cancel_reason,
      json_build_object('attempt', new.attempt));
  elsif new.status = old.status then
    return null;
  elsif new.status = 'queued' and old.status = 'running' then
    perform write_event_log('run.postponed', new.job_id, new.run_id, who, null,
      json_build_object('attempt', new.attempt, 'failures', new.failures, 'not_before', new.not_before));
  elsif new.status = 'queued' then
    perform write_event_log('run.released', new.job_id, new.run_id, actor, null,
      json_build_object('wait_no', new.wait_no));
  elsif new.status = 'waiting' then
    perform write_event_log('run.waiting', new.job_id, new.run_id, who, new.outcome,
      json_build_object('attempt', new.attempt, 'wait_no', new.wait_no, 'usage', new.usage::json));
  else
    -- Inside a string every quote has a backslash before it: this is no text that a user wrote.
    perform write_event_log('run.settled', new.job_id, new.run_id, who, new.outcome,
      json_build_object('attempt', new.attempt, 'status', new.status, 'usage', new.usage::json,
                        'code', case when new.status = 'failed' then substring(new.outcome from '"code":"([a-z_]+)"') end));
  end if;
  return null;
end $$;
--;;
-- Renewing a lease names none of these columns, and so costs nothing.
create trigger runs_log_update after update of status, cancel_requested_at on runs
  for each row execute function log_run_changed();
--;;
create function log_decision() returns trigger language plpgsql set search_path from current as $$
begin
  perform write_event_log('decision.made', (select r.job_id from runs r where r.run_id = new.run_id), new.run_id,
    coalesce(nullif(current_setting('agent_executor.actor', true), ''), 'approver:' || new.decided_by),
    new.decision,
    json_build_object('interrupt_id', new.interrupt_id, 'wait_no', new.wait_no, 'args_digest', new.args_digest,
                      'decided_by', new.decided_by,
                      'decision', substring(new.decision from '"decision"\s*:\s*"([a-z]+)"')));
  return null;
end $$;
--;;
create trigger interrupts_log after update of decision on interrupts
  for each row when (old.decision is null and new.decision is not null) execute function log_decision();
--;;
create function log_delivery() returns trigger language plpgsql set search_path from current as $$
declare
  type text := case
    when new.delivered_at is not null then 'result.delivered'
    when new.parked_at is not null then 'result.parked'
    when old.parked_at is not null then 'result.redriven'
    else 'result.failed' end;
begin
  perform write_event_log(type, new.job_id,
    substring(new.event from '"run_id":"([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})"')::uuid,
    case when type = 'result.redriven' then 'operator' else 'target:' || new.target end, new.event,
    json_build_object('event_id', new.event_id, 'target', new.target, 'attempts', new.attempts,
                      'reason', left(new.last_error, 500)),
    case when type = 'result.failed' then 'verbose' else 'standard' end);
  return null;
end $$;
--;;
create trigger outbox_log after update of attempts on outbox for each row execute function log_delivery();
--;;
create function event_log_is_append_only() returns trigger language plpgsql as $$
begin
  if tg_op = 'DELETE' and current_setting('agent_executor.retention', true) = 'on' then return null; end if;
  raise exception 'event_log is append-only: what is older than RETENTION_DAYS is deleted by the service';
end $$;
--;;
create trigger event_log_append_only before update or delete or truncate on event_log
  for each statement execute function event_log_is_append_only();
--;;
-- For people who look: which tool, and when. A call that only reads is written down once, when it is done.
alter table journal
  add column tool text, add column begun_at timestamptz default clock_timestamp(), add column done_at timestamptz;
