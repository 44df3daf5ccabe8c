import { BY_DEADLINE } from "../events/resume.ts";
import { crashPoint } from "../lifetime/crash-point.ts";
import type { Database } from "../postgres/database.ts";
import { lockJob, release } from "./decide.ts";

const OVERDUE = `
  select distinct r.job_id as "jobId", r.run_id as "runId"
    from interrupts i join runs r on r.run_id = i.run_id and r.wait_no = i.wait_no
   where i.decision is null and i.expires_at <= clock_timestamp() and r.status = 'waiting'
   limit 100`;

const BY_DEFAULT = `
  update interrupts i
     set decision = json_build_object('decision', i.default_decision, 'comment', 'nobody decided in time')::text,
         decided_by = '${BY_DEADLINE}', decided_at = now()
    from runs r
   where i.run_id = $1 and r.run_id = i.run_id and r.status = 'waiting' and i.wait_no = r.wait_no
     and i.decision is null and i.expires_at <= clock_timestamp()`;

/** Decides what nobody decided in time; says whether a run goes on by it. Any process may do it. */
export async function decideOverdue(db: Database): Promise<boolean> {
  let released = false;
  for (const { jobId, runId } of await db.query<{ jobId: string; runId: string }>("overdue", OVERDUE)) {
    released =
      (await db.transaction(async (tx) => {
        await lockJob(tx, jobId, "deadline"); // the same lock as a decision's: one of them is first
        await tx.query("decide-by-default", BY_DEFAULT, [runId]);
        const goesOn = await release(tx, runId);
        crashPoint("deadline: decided, not committed");
        return goesOn;
      })) || released;
  }
  return released;
}
