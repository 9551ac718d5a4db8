#!/bin/sh
# The two README commands in an empty Debian 12: tests/bare.sh [DIRECTORY]   (as root; needs debootstrap)
# Makes a chroot with nothing but Debian's base, make, git, a C and C++ compiler, clones HEAD into it and
# runs `make demo` and `make test`. This machine's package sources, certificates and pip settings are
# copied, since a bare machine has its own.
set -eu
top=$(cd "$(dirname "$0")/.." && pwd)
root=${1:-$(mktemp -d /var/tmp/crucible-bare-XXXXXX)}
mirror=$(sed -n 's/^URIs: *\([^ ]*\).*/\1/p; s/^deb *\(\[[^]]*\] *\)\{0,1\}\([^ ]*\) .*/\2/p' /etc/apt/sources.list /etc/apt/sources.list.d/*.sources 2>/dev/null | head -n 1)
[ -e "$root/usr/bin/make" ] || debootstrap --variant=minbase --include=make,git,gcc,g++,ca-certificates bookworm "$root" "$mirror" >"$root.log" 2>&1 || { tail -n 5 "$root.log"; exit 2; }
rm -rf "$root/etc/apt/sources.list" "$root/etc/apt/sources.list.d" "$root/srv/crucible"
cp -rL /etc/apt/sources.list.d "$root/etc/apt/" 2>/dev/null || true
cp -L /etc/apt/sources.list "$root/etc/apt/" 2>/dev/null || true
cp -L /etc/apt/apt.conf.d/99* "$root/etc/apt/apt.conf.d/" 2>/dev/null || true
cp -L /etc/resolv.conf /etc/hosts "$root/etc/"
cp -L /etc/pip.conf "$root/etc/" 2>/dev/null || true
cp -rL /etc/ssl/certs /usr/local/share/ca-certificates "$root/var/tmp/" 2>/dev/null || true
cp -rL /etc/ssl/certs/. "$root/etc/ssl/certs/" 2>/dev/null || true
for file in "${PIP_CERT:-}" "${SSL_CERT_FILE:-}"; do
    [ -f "$file" ] && mkdir -p "$root$(dirname "$file")" && cp -L "$file" "$root$file"
done
git clone -q "$top" "$root/srv/crucible"
mount -t proc proc "$root/proc" 2>/dev/null || true
mount --bind /dev "$root/dev" 2>/dev/null || true
trap 'umount "$root/proc" "$root/dev" 2>/dev/null || true' EXIT INT TERM
for command in demo test; do
    start=$(date +%s)
    chroot "$root" /bin/sh -c "cd /srv/crucible && make $command" >"$root.$command" 2>&1 && code=0 || code=$?
    echo "make $command: exit $code after $(($(date +%s) - start)) s; log $root.$command"
    tail -n 3 "$root.$command"
    [ $code -eq 0 ] || exit 1
done
