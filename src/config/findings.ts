/** What is wrong with the environment, and what is worth a line in the log. */
export type Findings = { readonly problems: string[]; readonly notes: string[] };

export type Env = Readonly<Record<string, string | undefined>>;

/** Of a value that may be long. */
export const cut = (value: string) => (value.length > 60 ? `${value.slice(0, 59)}…` : value);
