import { api } from "./api.ts";
import { approvalCard } from "./approvals.ts";
import { h } from "./dom.ts";

/** Where a link leads: one question and nothing else of its job. */
export function approveView(
  main: HTMLElement,
  jobId: string,
  interruptId: string,
  signal: AbortSignal,
  fail: (error: unknown) => void,
): void {
  const load = async (): Promise<void> => {
    const asked = await api.interrupt(jobId, interruptId);
    if (signal.aborted) return;
    main.replaceChildren(
      h("h1", {}, `Job ${jobId}`),
      approvalCard(jobId, asked, () => void load().catch(fail)),
    );
  };
  load().catch(fail);
}
