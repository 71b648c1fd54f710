/** The scripts that teach shells to complete: each calls the program itself, so that it knows new commands at once. */

import { COMPLETE } from './word.ts';

export const SHELLS = ['bash', 'zsh', 'fish'] as const;

export type Shell = (typeof SHELLS)[number];

/** How each script is installed for good, for one person; the comment at its top and the help say it. */
export const INSTALL: Readonly<Record<Shell, string>> = {
  bash: 'tailrace completion bash > ~/.local/share/bash-completion/completions/tailrace',
  zsh: 'tailrace completion zsh > ~/.zfunc/_tailrace    # with `fpath+=~/.zfunc` before `compinit` in ~/.zshrc',
  fish: 'tailrace completion fish > ~/.config/fish/completions/tailrace.fish',
};

const BASH = `# Completes the words of tailrace in bash. To install it for yourself:
#   ${INSTALL.bash}
# or, where bash-completion is not installed, in ~/.bashrc:
#   source <(tailrace completion bash)

_tailrace() {
  local rest=\${COMP_LINE:0:COMP_POINT} words=() breaks= kind= i word line current cut
  # Bash also breaks words at : and =, which s2://basin/stream and --flag=value hold.
  for ((i = 0; i <= COMP_CWORD; i++)); do
    word=\${COMP_WORDS[i]}
    if ((i == 0)) || [[ $rest == [[:space:]]* ]]; then
      rest=\${rest#"\${rest%%[![:space:]]*}"}
      words+=("")
    fi
    if ((i == COMP_CWORD)); then word=$rest; fi
    words[\${#words[@]} - 1]+=$word
    rest=\${rest#"$word"}
  done
  current=\${words[\${#words[@]} - 1]}
  COMPREPLY=()
  while IFS= read -r line; do
    if [[ -z $kind ]]; then kind=$line; else COMPREPLY+=("\${line%%$'\\t'*}"); fi
  done < <("\${words[0]/#\\~/$HOME}" ${COMPLETE} "\${words[@]:1}" 2>/dev/null </dev/null)
  if [[ $kind == files ]]; then
    [[ $current == --*=* ]] && current=\${current#*=}
    while IFS= read -r line; do COMPREPLY+=("$line"); done < <(compgen -f -- "$current")
    compopt -o filenames 2>/dev/null
    return
  fi
  [[ $COMP_WORDBREAKS == *:* ]] && breaks+=:
  [[ $COMP_WORDBREAKS == *=* ]] && breaks+==
  if [[ -n $breaks ]]; then cut=\${current%"\${current##*[$breaks]}"}; fi
  for i in "\${!COMPREPLY[@]}"; do
    word=\${COMPREPLY[i]#"$cut"}
    if [[ $word == *[^A-Za-z0-9_./:=@%+,~-]* ]]; then word=$(printf %q "$word"); fi
    COMPREPLY[i]=$word
  done
  if [[ \${#COMPREPLY[@]} -eq 1 && \${COMPREPLY[0]} == *[/=] ]]; then compopt -o nospace 2>/dev/null; fi
}

complete -F _tailrace tailrace
`;

const ZSH = `#compdef tailrace
# Completes the words of tailrace in zsh. To install it for yourself:
#   ${INSTALL.zsh}
# or, in ~/.zshrc behind compinit:
#   source <(tailrace completion zsh)

_tailrace() {
  local -a found closed open
  local line value
  found=("\${(@f)$(\${(Q)words[1]} ${COMPLETE} "\${(@Q)words[2,CURRENT-1]}" "\${(Q)PREFIX}" 2>/dev/null </dev/null)}")
  if [[ $found[1] == files ]]; then
    [[ $PREFIX == --*=* ]] && compset -P '*='
    _files
    return
  fi
  for line in "\${(@)found[2,-1]}"; do
    value=\${line%%$'\\t'*}
    # What has no description is not followed by a colon.
    line=\${value//:/\\\\:}\${\${line#*$'\\t'}:+:\${line#*$'\\t'}}
    if [[ $value == *[/=] ]]; then open+=("$line"); else closed+=("$line"); fi
  done
  _describe -t values value closed -- open -S '' || return 1
}

if [[ $zsh_eval_context[-1] == loadautofunc ]]; then
  _tailrace "$@"
else
  compdef _tailrace tailrace
fi
`;

const FISH = `# Completes the words of tailrace in fish. To install it for yourself:
#   ${INSTALL.fish}

function __tailrace_complete
    set -l words (commandline -opc)
    # Of a word in quotes, fish gives the quote too.
    set -l current (string replace -r '^["\\']' '' -- (commandline -ct))
    set -l found ($words[1] ${COMPLETE} $words[2..-1] "$current" 2>/dev/null </dev/null)
    switch "$found[1]"
        case files
            __fish_complete_path "$current"
        case words
            printf '%s\\n' $found[2..-1]
    end
end

complete -c tailrace -f -a '(__tailrace_complete)'
`;

/** The script for a shell. */
export const SCRIPTS: Readonly<Record<Shell, string>> = { bash: BASH, zsh: ZSH, fish: FISH };
