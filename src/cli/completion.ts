import { required } from "./arguments.ts";
import type { CliTools } from "./tools.ts";
import { UsageError } from "./usage-error.ts";
import type { Verb } from "./verbs.ts";

const NAME = "agent-executor";

/** A script for the shell, made from the verbs: `source <(agent-executor completion bash)`. */
export async function completion(
  [shell]: readonly string[],
  { print }: CliTools,
  verbs: Readonly<Record<string, Verb>>,
) {
  const words = Object.entries(verbs).map(([verb, { does, words: seconds = [] }]) => ({
    verb,
    does,
    seconds,
  }));
  switch (required(shell, "the shell: bash, zsh or fish;")) {
    case "bash":
      return print(bash(words));
    case "zsh":
      return print(`autoload -U +X bashcompinit && bashcompinit\n${bash(words)}`);
    case "fish":
      return print(fish(words));
    default:
      throw new UsageError("completion takes bash, zsh or fish");
  }
}

type Word = { verb: string; does: string; seconds: readonly string[] };

const wordAt = (index: string) => `"$\{COMP_WORDS[${index}]}"`;

function bash(words: readonly Word[]): string {
  const cases = words
    .filter(({ seconds }) => seconds.length > 0)
    .map(
      ({ verb, seconds }) => `      ${verb}) COMPREPLY=($(compgen -W "${seconds.join(" ")}" -- "$word")) ;;`,
    );
  return [
    "_agent_executor() {",
    `  local word=${wordAt("COMP_CWORD")}`,
    '  if [ "$COMP_CWORD" -eq 1 ]; then',
    `    COMPREPLY=($(compgen -W "${words.map(({ verb }) => verb).join(" ")}" -- "$word"))`,
    '  elif [ "$COMP_CWORD" -eq 2 ]; then',
    `    case ${wordAt("1")} in`,
    ...cases,
    '      *) COMPREPLY=($(compgen -f -- "$word")) ;;',
    "    esac",
    "  else",
    '    COMPREPLY=($(compgen -f -- "$word"))',
    "  fi",
    "}",
    `complete -F _agent_executor ${NAME}`,
  ].join("\n");
}

function fish(words: readonly Word[]): string {
  const quoted = (text: string) => `'${text.replaceAll("'", "\\'")}'`;
  return words
    .flatMap(({ verb, does, seconds }) => [
      `complete -c ${NAME} -n __fish_use_subcommand -a ${verb} -d ${quoted(does)}`,
      ...(seconds.length === 0
        ? []
        : [
            `complete -c ${NAME} -f -n '__fish_seen_subcommand_from ${verb}' -a ${quoted(seconds.join(" "))}`,
          ]),
    ])
    .join("\n");
}
