# SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception
# shellcheck shell=bash
# Completion for bash. Verbs and options are asked of the program, so that they cannot fall behind.

_cvmroot() {
	local current=${COMP_WORDS[COMP_CWORD]} verb='' word help words

	for word in "${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
		if [[ $word != -* ]]; then
			verb=$word
			break
		fi
	done
	help=$("${COMP_WORDS[0]}" ${verb:+"$verb"} --help 2>/dev/null) || return
	if [[ $current == -* ]]; then
		words=$(sed -n 's/^  \(--[a-z0-9-]*\).*/\1/p' <<<"$help")
		[[ -z $verb ]] || words+=' --help'
	elif [[ -z $verb ]]; then
		words=$(sed -n '/^Verbs:/,/^$/s/^  \([a-z0-9-]*\).*/\1/p' <<<"$help")
	else
		mapfile -t COMPREPLY < <(compgen -f -- "$current")
		return
	fi
	mapfile -t COMPREPLY < <(compgen -W "$words" -- "$current")
}

complete -o filenames -F _cvmroot cvmroot
