#!/bin/sh
# Prints a bash completion for crucible, made from the programs' own options tables: completion.sh BINDIR
set -eu
echo '# Made by make install from the options tables.'
echo '_crucible() {'
echo '  local cur=${COMP_WORDS[COMP_CWORD]} stage=${COMP_WORDS[1]} words'
echo '  case $stage in'
stages=''
for program in "$1"/crucible-*; do
    stage=${program##*/crucible-}
    stages="$stages $stage"
    echo "  $stage) words='$("$program" --words)' ;;"
done
echo '  esac'
echo "  if [ \$COMP_CWORD -eq 1 ]; then COMPREPLY=(\$(compgen -W '$stages help --version' -- \"\$cur\"))"
echo '  elif [ "${cur#-}" != "$cur" ]; then COMPREPLY=($(compgen -W "$words -h" -- "$cur")); compopt -o nospace'
echo '  else COMPREPLY=($(compgen -f -- "$cur")); fi'
echo '}'
echo 'complete -F _crucible crucible'
