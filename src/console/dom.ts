type Child = Node | string | undefined | false | null;
type Props = Record<string, string | boolean | ((event: Event) => void) | undefined>;

/** Makes an element. Text is only ever set as text: what models and users wrote never becomes markup. */
export function h<K extends keyof HTMLElementTagNameMap>(
  tag: K,
  props: Props = {},
  ...children: Child[]
): HTMLElementTagNameMap[K] {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(props)) {
    if (value === undefined || value === false) continue;
    if (typeof value === "function") element.addEventListener(name, value);
    else element.setAttribute(name, value === true ? "" : value);
  }
  append(element, children);
  return element;
}

export function svg(tag: string, props: Record<string, string> = {}, ...children: Child[]): SVGElement {
  const element = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(props)) element.setAttribute(name, value);
  append(element, children);
  return element;
}

function append(element: Element, children: Child[]): void {
  element.append(...children.filter((child) => child !== undefined && child !== false && child !== null));
}

export const button = (label: string, click: () => unknown, kind = ""): HTMLButtonElement =>
  h("button", { type: "button", class: kind, click: () => void click() }, label);

export const status = (name: string): HTMLElement => h("span", { class: `status ${name}` }, name);

export const moment = (iso: string | null | undefined): string =>
  iso ? new Date(iso).toLocaleString(undefined, { dateStyle: "short", timeStyle: "medium" }) : "";

export const pretty = (value: unknown): string =>
  typeof value === "string" ? value : (JSON.stringify(value, null, 2) ?? "");

/** Says something in passing, to screen readers too. */
export function notify(text: string): void {
  const notice = document.getElementById("notice");
  if (notice) notice.textContent = text;
}
