/** The shells that `neon completion` knows. */
export const SHELLS = ["bash", "zsh", "fish"] as const;

/** The names under which the program is called. */
export const PROGRAM_NAMES = ["neon", "neon-push-pull"] as const;

/**
 * The text that makes a shell complete command lines of neon. It asks the program itself, by the name that was typed, with the
 * words up to the cursor: see complete.ts.
 */
export function completionScript(shell: (typeof SHELLS)[number]): string {
  return { bash, zsh, fish }[shell];
}

// Bash cuts words at = and : too, and wants back what stands behind the last of them.
const bash = `# bash completion for neon: eval "$(neon completion bash)"
_neon() {
  local line=\${COMP_LINE:0:COMP_POINT} words cur prefix candidate
  read -ra words <<< "$line"
  [[ $line == *[[:space:]] ]] && words+=("")
  cur=\${words[-1]}
  prefix=\${cur%"\${cur##*[:=]}"}
  COMPREPLY=()
  while IFS=$'\\t' read -r candidate _; do
    if [[ $candidate == :directories ]]; then
      compopt -o filenames 2> /dev/null
      while IFS= read -r candidate; do COMPREPLY+=("$candidate"); done < <(compgen -d -- "$cur")
    else
      COMPREPLY+=("\${candidate#"$prefix"}")
    fi
  done < <("\${words[0]}" __complete -- "\${words[@]:1}" 2> /dev/null)
}
complete -F _neon ${PROGRAM_NAMES.join(" ")}
`;

const zsh = `#compdef ${PROGRAM_NAMES.join(" ")}
# zsh completion for neon: eval "$(neon completion zsh)", or this file as _neon in a directory of $fpath
_neon() {
  local line
  local -a values shown
  for line in "\${(@f)$("\${(Q)words[1]}" __complete -- "\${(@Q)words[2,CURRENT]}" 2> /dev/null)}"; do
    case $line in
      '') ;;
      :directories) _files -/ ;;
      *)
        values+=("\${line%%$'\\t'*}")
        shown+=("\${line/$'\\t'/  -- }")
        ;;
    esac
  done
  (( $#values )) && compadd -l -d shown -a values
}
if [[ $funcstack[1] == _neon ]]; then
  _neon "$@"
elif (( $+functions[compdef] )); then
  compdef _neon ${PROGRAM_NAMES.join(" ")}
fi
`;

const fish = `# fish completion for neon: neon completion fish > ~/.config/fish/completions/neon.fish
function __neon_complete
  set -l words (commandline -opc)
  set -l current (commandline -ct)
  for line in ($words[1] __complete -- $words[2..-1] "$current" 2> /dev/null)
    if test "$line" = :directories
      __fish_complete_directories "$current"
    else
      echo $line
    end
  end
end
${PROGRAM_NAMES.map((name) => `complete -c ${name} -f -a '(__neon_complete)'`).join("\n")}
`;
