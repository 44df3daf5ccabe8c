/** Where a run is cut: around the effect of a step, or around a statement of the saver. */
export type Place = {
  when: "before" | "after";
  /** Only once so many results of tasks are committed. */
  committed?: number;
} & ({ step: string } | { saver: "put" | "putWrites"; nth: number });

/** What one attempt does with a run. */
export type Attempt = {
  dies?: Place;
  /** It may come to its end before the place where it would die. */
  orEnds?: boolean;
  /** These steps do their effect and never end. */
  hangs?: readonly string[];
  /** These never begin. */
  waits?: readonly string[];
  /** The saver's statements are this late, so that whoever does not wait for it is seen. */
  slowSaverMs?: number;
  /** Answers to questions that the attempts before have asked, handed over by the ids of these. */
  answers?: Record<string, unknown>;
  /** An answer handed over plainly, with no id. */
  answer?: unknown;
  /** How far the clock of the process is from the others'. */
  clockHours?: number;
  /** After this step the clock jumps back by an hour. */
  clockJumpsAfter?: string;
  maxConcurrency?: number;
};

/** Which turn of its job a run is. */
export type Turn = { jobId: string; seq: number; head?: string };

export type Plan = Attempt & {
  runId: string;
  jobId: string;
  seq: number;
  head?: string;
  attempt: number;
  graph: string;
  input: Record<string, unknown>;
  resume?: unknown;
};

/** The work of one process. */
export type Work = {
  database: { host: string; port: number; user: string; password: string; database: string };
  plans: Plan[];
};

/** What is known of one execution of a step, written by the step itself. */
export type Info = {
  task: string;
  ns: string;
  toolCallId?: string;
  /** Statements of the saver that had no answer yet. */
  unanswered: { put: number; putWrites: number };
};

export type Interrupt = { id: string; value: unknown };

/** A line of the process for each of its runs; one that has no report was cut. */
export type Line = { runId: string; report?: Report };

/** How an attempt ended that came to an end. */
export type Report = {
  state?: Record<string, unknown>;
  error?: string;
  interrupts: Interrupt[];
  head?: string;
  /** How often the saver was called. */
  calls: { put: number; putWrites: number };
};
