-- What a run asks of a person, as it was asked; `answered` is how many answers its task had taken before,
-- which is what tells two questions of one task apart: LangGraph gives them the same id.
alter table interrupts
  add column answered integer not null default 0,
  add column question text not null default '{}',
  add column default_decision text not null default 'reject';
--;;
create index interrupts_of_run on interrupts (run_id, wait_no);
--;;
create index interrupts_due on interrupts (expires_at) where decision is null and expires_at is not null;
