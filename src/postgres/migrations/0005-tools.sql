-- What the memory tools remember, as JSON text. A job's own goes with the job; an owner's stays.
create table memory (
  scope text not null,
  job_id text references jobs on delete cascade,
  key text not null,
  value text not null,
  updated_at timestamptz not null default now(),
  primary key (scope, key)
);
--;;
create index memory_of_job on memory (job_id) where job_id is not null;
