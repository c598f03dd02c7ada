/** The shells' side of completion: each asks `gantry __complete` what can come next, which reads the command table. */

/** `:` and `=` end a word in bash, so what stands before them is not to be repeated. */
const bash = `# bash completion of gantry; see: gantry completion --help
_gantry() {
  local line=\${COMP_LINE:0:COMP_POINT} reply kept='' tab=$'\\t'
  local word=\${line##*[[:space:]]}
  case $word in *[:=]*) kept=\${word%"\${word##*[:=]}"} ;; esac
  COMPREPLY=()
  while IFS= read -r reply; do
    case $reply in
      :file) compopt -o filenames; COMPREPLY+=($(compgen -f -- "\${word#"$kept"}")) ;;
      :directory) compopt -o filenames; COMPREPLY+=($(compgen -d -- "\${word#"$kept"}")) ;;
      *) reply=\${reply%%"$tab"*}; COMPREPLY+=("\${reply#"$kept"}") ;;
    esac
  done < <("$1" __complete --line "$line" 2>/dev/null)
}
complete -F _gantry gantry
`;

const zsh = `#compdef gantry
# zsh completion of gantry; see: gantry completion --help
_gantry() {
  local line tab=$'\\t'
  local -a choices
  for line in "\${(@f)$("$words[1]" __complete -- "\${(@)words[2,CURRENT]}" 2>/dev/null)}"; do
    case $line in
      '') ;;
      :file) _files ;;
      :directory) _files -/ ;;
      *) choices+=("\${\${line%%$tab*}//:/\\\\:}:\${line#*$tab}") ;;
    esac
  done
  (( $#choices )) && _describe gantry choices
}
compdef _gantry gantry
`;

const fish = `# fish completion of gantry; see: gantry completion --help
function __gantry_complete
  set -l words (commandline -opc)
  for line in ($words[1] __complete -- $words[2..-1] (commandline -ct) 2>/dev/null)
    switch $line
      case ':file'
        __fish_complete_path (commandline -ct)
      case ':directory'
        __fish_complete_directories (commandline -ct)
      case '*'
        echo $line
    end
  end
end
complete -c gantry -f -a '(__gantry_complete)'
`;

export const SCRIPTS: Readonly<Record<string, string>> = { bash, zsh, fish };
