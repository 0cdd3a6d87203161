#!/bin/sh
# Installs podid from a release: downloads the archive for this machine and SHA256SUMS, verifies the checksum, and copies the binary,
# the man pages and the completions below a prefix. Needs no root, changes nothing outside the prefix, and sends no telemetry.
set -eu

REPOSITORY=https://github.com/podid/podid

usage() {
    cat <<HELP
Installs podid: the binary, the man pages and the shell completions.

Usage: install.sh [--version VERSION] [--prefix DIRECTORY] [--base-url URL]

  --version VERSION    the release to install, such as 0.1.0 (default: the latest; environment: PODID_VERSION)
  --prefix DIRECTORY   where to install (default: ~/.local; environment: PODID_PREFIX)
  --base-url URL       where the archives and SHA256SUMS are (default: the release on GitHub; environment: PODID_BASE_URL)
  --help               print this help

The archive is verified against SHA256SUMS before anything is installed. https and file URLs are accepted, and http only for this machine.
HELP
}

fail() {
    echo "install.sh: $1" >&2
    shift
    for hint in "$@"; do echo "  hint: $hint" >&2; done
    exit 1
}

wrong() {
    echo "install.sh: $1 (see install.sh --help)" >&2
    exit 2
}

has() { command -v "$1" >/dev/null 2>&1; }

# The Rust name of this machine.
target() {
    os=$(uname -s)
    arch=$(uname -m)
    case $arch in
    x86_64 | amd64) arch=x86_64 ;;
    aarch64 | arm64) arch=aarch64 ;;
    *) fail "there is no podid build for $os on $arch" "build it with \`cargo install --locked --git $REPOSITORY podid\`" ;;
    esac
    case $os in
    Linux)
        # The binary needs glibc; a system without it has musl's loader.
        if [ ! -e /lib64/ld-linux-x86-64.so.2 ] && [ ! -e /lib/ld-linux-aarch64.so.1 ]; then
            for loader in /lib/ld-musl-*; do
                [ ! -e "$loader" ] || fail "the podid build for Linux needs glibc, and this system has musl" \
                    "use the container image, or build it with \`cargo install --locked --git $REPOSITORY podid\`"
            done
        fi
        echo "$arch-unknown-linux-gnu"
        ;;
    Darwin) echo "$arch-apple-darwin" ;;
    *) fail "there is no podid build for $os" "build it with \`cargo install --locked --git $REPOSITORY podid\`" ;;
    esac
}

# download URL FILE
download() {
    case $1 in
    https://*) protocol='=https' ;;
    file://*)
        cp "${1#file://}" "$2" 2>/dev/null
        return
        ;;
    *) protocol='=http' ;;
    esac
    if has curl; then
        curl --proto "$protocol" --proto-redir "$protocol" --fail --silent --show-error --location --retry 2 \
            --connect-timeout 10 --output "$2" "$1"
    elif has wget; then
        wget -q -O "$2" "$1"
    else
        fail "curl or wget is needed to download podid"
    fi
}

# The SHA-256 of a file, in hexadecimal.
checksum() {
    if has sha256sum; then
        sha256sum <"$1" | cut -d ' ' -f 1
    elif has shasum; then
        shasum -a 256 <"$1" | cut -d ' ' -f 1
    elif has openssl; then
        openssl dgst -sha256 -r <"$1" | cut -d ' ' -f 1
    else
        fail "sha256sum, shasum or openssl is needed to verify the download"
    fi
}

# put MODE FROM TO: under another name first, so that a running podid is not overwritten.
put() {
    mkdir -p "$(dirname "$3")" || fail "cannot create $(dirname "$3")" "choose another place with --prefix"
    if ! { cp "$2" "$3.new.$$" && chmod "$1" "$3.new.$$" && mv -f "$3.new.$$" "$3"; }; then
        fail "cannot write $3" "choose another place with --prefix"
    fi
}

main() {
    version=${PODID_VERSION:-latest}
    prefix=${PODID_PREFIX:-${HOME:-}/.local}
    base=${PODID_BASE_URL:-}
    while [ $# -gt 0 ]; do
        case $1 in
        --version | --prefix | --base-url)
            [ $# -ge 2 ] && [ -n "$2" ] || wrong "$1 needs a value"
            case $1 in
            --version) version=$2 ;;
            --prefix) prefix=$2 ;;
            --base-url) base=$2 ;;
            esac
            shift 2
            ;;
        --version=*) version=${1#*=}; shift ;;
        --prefix=*) prefix=${1#*=}; shift ;;
        --base-url=*) base=${1#*=}; shift ;;
        -h | --help) usage; exit 0 ;;
        *) wrong "unknown argument \`$1\`" ;;
        esac
    done

    version=${version#v}
    case $version in
    latest) ;;
    *[!0-9A-Za-z.+-]* | '') wrong "\`$version\` is not a version" ;;
    [0-9]*.[0-9]*.[0-9]*) ;;
    *) wrong "\`$version\` is not a version: it looks like 0.1.0" ;;
    esac
    case $prefix in
    /.local) wrong "HOME is not set: pass --prefix" ;;
    /*) ;;
    *) prefix=$(pwd)/$prefix ;;
    esac
    if [ -z "$base" ]; then
        base=$REPOSITORY/releases/download/v$version
        [ "$version" != latest ] || base=$REPOSITORY/releases/latest/download
    fi
    base=${base%/}
    case $base in
    https://* | file:///*) ;;
    http://127.0.0.1 | http://127.0.0.1[:/]* | http://localhost | http://localhost[:/]*) ;;
    http://*) fail "$base is not https: others on the network could change what is installed" ;;
    *) wrong "\`$base\` is not a URL" ;;
    esac

    target=$(target)
    name=podid-$target
    archive=$name.tar.gz
    place=$(mktemp -d)
    trap 'rm -rf "$place"' EXIT
    trap 'exit 1' HUP INT TERM

    echo "downloading $base/$archive"
    download "$base/SHA256SUMS" "$place/SHA256SUMS" ||
        fail "cannot download $base/SHA256SUMS" "check the version and the network"
    wanted=$(awk -v name="$archive" '{ file = $2; sub(/^\*/, "", file) } file == name { print $1 }' "$place/SHA256SUMS")
    case $wanted in
    '') fail "this release has no build for $target: SHA256SUMS does not list $archive" \
        "build it with \`cargo install --locked --git $REPOSITORY podid\`" ;;
    *[!0-9a-f]*) fail "SHA256SUMS is not a list of checksums, or lists $archive twice" ;;
    esac
    download "$base/$archive" "$place/$archive" || fail "cannot download $base/$archive" "check the network, then try again"
    found=$(checksum "$place/$archive")
    [ "$found" = "$wanted" ] || fail "the checksum of $archive does not match: nothing was installed" \
        "expected $wanted, found $found" "the download is incomplete, or the archive was changed: try again, then report it"

    tar -xzf "$place/$archive" -C "$place" || fail "cannot unpack $archive"
    from=$place/$name
    said=$("$from/podid" --version 2>&1) || fail "the downloaded podid does not run on this machine: $said" \
        "build it with \`cargo install --locked --git $REPOSITORY podid\`"
    [ "$version" = latest ] || [ "$said" = "podid $version" ] || fail "expected podid $version, but the archive has: $said"

    put 755 "$from/podid" "$prefix/bin/podid"
    for page in "$from"/man/*.1; do put 644 "$page" "$prefix/share/man/man1/$(basename "$page")"; done
    put 644 "$from/completions/podid.bash" "$prefix/share/bash-completion/completions/podid"
    put 644 "$from/completions/_podid" "$prefix/share/zsh/site-functions/_podid"
    put 644 "$from/completions/podid.fish" "$prefix/share/fish/vendor_completions.d/podid.fish"
    echo "installed $said in $prefix/bin/podid"
    case :${PATH:-}: in
    *:"$prefix/bin":*) ;;
    *) echo "add $prefix/bin to PATH to use it" ;;
    esac
}

# All of it is read before anything runs, also through a pipe.
main "$@"
