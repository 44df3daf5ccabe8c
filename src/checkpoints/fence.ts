/**
 * Whether the writer still holds its run, inside the very statement that writes: a check before it would be
 * a race. `for share` waits for a takeover that is about to commit and then sees its attempt; with `for key
 * share` it would slip past. $1 is the run, $2 the attempt.
 */
export const FENCE =
  "fence as (select 1 from runs where run_id = $1 and attempt = $2 and status = 'running' for share)";
