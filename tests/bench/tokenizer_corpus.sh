#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Real text for `make bench T=tokenizer-exact`: over 200 MB in more than 20 natural and 10 programming languages, from
# Debian packages of this machine's release. They are downloaded (250 MB), not installed.
#   tests/bench/tokenizer_corpus.sh DIR
# Writes DIR/debs/*.deb, DIR/natural-LL.bin and .idx, DIR/code-NAME.bin and .idx (see tokenizer_texts.py).
set -eu
mkdir -p "$1/debs"
dir=$(cd "$1" && pwd)
bench=$(cd "$(dirname "$0")" && pwd)

# Help of LibreOffice in each language, then what is in many languages at once, then other scripts, then sources.
packages="
$(for l in ca cs da de el en-us es et eu fi fr gl hi hu id it ja km ko nl pl pt pt-br ru sk sl sv tr vi zh-cn zh-tw; do
    echo libreoffice-help-$l
done)
installation-guide-amd64 gnome-user-docs iso-codes manpages manpages-de manpages-fr manpages-ro manpages-uk manpages-zh
hunspell-ar hunspell-bn hunspell-gu hunspell-he hunspell-lo hunspell-ne hunspell-si hunspell-te hunspell-th hunspell-uk
linux-libc-dev libglib2.0-dev lttng-modules-dkms libboost1.74-dev libpython3.11-stdlib libpython3.11-testsuite
perl-modules-5.36 node-typescript node-lodash openjdk-17-source golang-1.19-src librust-libc-dev librust-syn-dev
librust-regex-syntax-dev librust-winapi-dev libruby3.1 lua-penlight luarocks lua-posix wordpress phpmyadmin
bash-completion git dpkg-dev libtool postgresql-15-postgis-3-scripts emacs-el tcllib erlang-src scheme48
octave-common sbcl-source fpc-source-3.2.2 vim-runtime elixir libbase-ocaml-dev"

cd "$dir/debs"
for package in $packages; do
    ls "${package}"_*.deb >/dev/null 2>&1 && continue
    apt-get -q -q download "$package" 2>/dev/null || echo "tokenizer_corpus: no package $package here" >&2
done
exec python3 "$bench/tokenizer_collect.py" "$dir"
