# bash completion for convd: the program itself knows what may come next.
_convd() {
    local line=${COMP_LINE:0:COMP_POINT} words word cur head
    read -ra words <<<"$line"
    [[ $line == *[[:blank:]] ]] && words+=("")
    cur=${words[-1]}
    head=${cur%"${cur##*[:=]}"} # bash breaks words at : and =
    COMPREPLY=()
    while IFS=$'\t' read -r word _; do
        COMPREPLY+=("${word#"$head"}")
    done < <("$1" complete "${words[@]:1}" 2>/dev/null)
}
complete -o bashdefault -o default -F _convd convd
