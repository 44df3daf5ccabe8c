-- What callers send us is kept as text, not jsonb: jsonb refuses "\u0000" and lone surrogates, and the
-- bytes of an outgoing event must stay as they are.

create table definitions (
  hash text primary key,
  body text not null,
  created_at timestamptz not null default now()
);
--;;
create table jobs (
  job_id text primary key,
  last_seq integer not null,
  last_event_no integer not null default 0,
  -- the last checkpoint of the last completed run: where the next turn of the thread begins
  head_checkpoint_id text,
  -- the definition that an event without one means
  definition_hash text references definitions,
  owner text,
  created_at timestamptz not null default now()
);
--;;
create index jobs_newest on jobs (created_at desc, job_id desc);
--;;
create table runs (
  run_id uuid primary key,
  job_id text not null references jobs,
  seq integer not null,
  source text not null,
  event_id text not null,
  request text not null,
  definition_hash text references definitions,
  traceparent text,
  status text not null check (status in ('queued', 'running', 'waiting', 'completed', 'failed', 'cancelled')),
  -- fencing token: grows at every claim, and every later write names it
  attempt integer not null default 0,
  -- retry budget: grows when a lease runs out or a transient error ends an attempt
  failures integer not null default 0,
  wait_no integer not null default 0,
  leased_by text,
  leased_until timestamptz,
  not_before timestamptz not null default now(),
  outcome text,
  usage text,
  accepted_at timestamptz not null default now(),
  started_at timestamptz,
  settled_at timestamptz,
  unique (job_id, seq)
);
--;;
-- The second wall behind accept_run and claim_runs: one live run a job, whatever the code does.
create unique index runs_one_live_a_job on runs (job_id) where status in ('running', 'waiting');
--;;
create index runs_queued on runs (accepted_at, job_id, seq) where status = 'queued';
--;;
create index runs_queued_of_job on runs (job_id, seq) where status = 'queued';
--;;
create index runs_leased on runs (leased_until) where status = 'running';
--;;
-- Every event that was taken, so that a second copy is known by its source and id.
create table events (
  source text not null,
  event_id text not null,
  kind text not null,
  run_id uuid,
  accepted_at timestamptz not null default now(),
  primary key (source, event_id)
);
--;;
create table interrupts (
  interrupt_id uuid primary key,
  run_id uuid not null references runs,
  wait_no integer not null,
  graph_id text not null,
  args_digest text,
  allowed text[] not null default '{}',
  expires_at timestamptz,
  decision text,
  decided_by text,
  decided_at timestamptz
);
--;;
create table outbox (
  event_id uuid not null,
  target text not null,
  job_id text not null,
  job_event_no integer not null,
  event text not null,
  created_at timestamptz not null default now(),
  attempts integer not null default 0,
  next_attempt_at timestamptz not null default now(),
  delivered_at timestamptz,
  parked_at timestamptz,
  last_error text,
  primary key (event_id, target)
);
--;;
create index outbox_pending on outbox (next_attempt_at) where delivered_at is null and parked_at is null;
--;;
create index outbox_order on outbox (job_id, target, job_event_no) where delivered_at is null and parked_at is null;
--;;
create table journal (
  run_id uuid not null references runs,
  task text not null,
  slot integer not null,
  digest text not null,
  state text not null check (state in ('intent', 'done')),
  outcome text,
  primary key (run_id, task, slot, digest)
);
