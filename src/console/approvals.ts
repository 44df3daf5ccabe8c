import { api, asCurl } from "./api.ts";
import { diffView } from "./diff.ts";
import { button, h, moment, notify, pretty } from "./dom.ts";
import type { Interrupt } from "./types.ts";

type Decision = { decision: string; args?: unknown; value?: unknown; comment?: string };

/** A question of a run, with the exact arguments, and the ways to decide it that are allowed. */
export function approvalCard(job: string, asked: Interrupt, decided: () => void): HTMLElement {
  const shown = pretty(asked.args);
  const title = asked.tool ? `May ${asked.tool} be called?` : "A question";
  const card = h(
    "section",
    { class: "card asks", "aria-label": title },
    h("h3", {}, title),
    h("p", {}, asked.message),
    asked.expires_at
      ? h("p", { class: "quiet" }, `Decides itself at ${moment(asked.expires_at)}.`)
      : undefined,
    asked.args === undefined ? undefined : h("pre", { "aria-label": "Arguments" }, shown),
  );
  if (asked.decision) {
    card.append(h("p", {}, `Decided: ${asked.decision} by ${asked.decided_by ?? "someone"}.`));
    return card;
  }
  const comment = h("input", {
    type: "text",
    "aria-label": "Comment",
    placeholder: "Comment (told to the model on reject)",
  });
  const problem = h("p", { class: "failed", role: "alert" });
  const send = async (decision: Decision): Promise<void> => {
    for (const each of card.querySelectorAll("button")) each.disabled = true;
    try {
      await api.decide(job, [whole(asked, decision, comment.value)]);
      notify(`Sent: ${decision.decision}.`);
      decided();
    } catch (error) {
      problem.textContent = error instanceof Error ? error.message : String(error);
      for (const each of card.querySelectorAll("button")) each.disabled = false;
    }
  };
  const actions = h("div", { class: "row" }, ...ways(asked, shown, send, card));
  const copy = button("Copy as curl", () => copyText(asCurl("POST", job, "/resume", curlBody(asked))));
  card.append(h("p", {}, comment), actions, h("p", { class: "row" }, copy), problem);
  return card;
}

function whole(asked: Interrupt, decision: Decision, comment: string): Record<string, unknown> {
  return {
    interrupt_id: asked.interrupt_id,
    ...decision,
    // What is decided is what is shown: other arguments by then would be refused.
    ...(asked.args_digest && { args_digest: asked.args_digest }),
    ...(comment !== "" && { comment }),
  };
}

const curlBody = (asked: Interrupt) => ({
  decisions: [whole(asked, { decision: asked.allowed[0] ?? "approve" }, "")],
});

type Send = (decision: Decision) => Promise<void>;

function ways(asked: Interrupt, shown: string, send: Send, card: HTMLElement): HTMLElement[] {
  return asked.allowed.map((decision) => {
    if (decision === "edit") return button("Edit…", () => openEditor(shown, send, card));
    if (decision === "respond") return button("Answer…", () => openAnswer(send, card));
    const label = decision === "approve" ? "Approve" : "Reject";
    return button(label, () => send({ decision }), decision === "approve" ? "main" : "");
  });
}

function openEditor(shown: string, send: Send, card: HTMLElement): void {
  if (card.querySelector("textarea")) return;
  const text = h("textarea", { "aria-label": "New arguments", spellcheck: "false" });
  text.value = shown;
  const changes = h("div");
  const problem = h("p", { class: "failed", role: "alert" });
  const submit = button("Send edited", () => {
    const args = readJson(text.value);
    if (args !== undefined) void send({ decision: "edit", args });
  });
  const look = () => {
    const isJson = readJson(text.value) !== undefined;
    problem.textContent = isJson ? "" : "This is not JSON yet.";
    submit.disabled = !isJson || text.value === shown;
    changes.replaceChildren(text.value === shown ? "" : diffView(shown, text.value));
  };
  text.addEventListener("input", look);
  look();
  card.append(text, changes, problem, submit);
  text.focus();
}

function openAnswer(send: Send, card: HTMLElement): void {
  if (card.querySelector("textarea")) return;
  const text = h("textarea", { "aria-label": "Your answer" });
  card.append(
    text,
    button("Send answer", () => void send({ decision: "respond", value: text.value })),
  );
  text.focus();
}

function readJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

export async function copyText(text: string): Promise<void> {
  await navigator.clipboard.writeText(text).then(
    () => notify("Copied."),
    () => prompt("Copy this:", text),
  );
}
