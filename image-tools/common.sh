# SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception
# Shared by the image tools: messages, cleanup, what each suite is made of. Sourced, never run.
# shellcheck shell=bash

image_tools=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd)
export image_tools
source_root=$(dirname -- "$image_tools")
export source_root
program=${0##*/}

say() { printf '%s: %s\n' "$program" "$*" >&2; }
die() {
	printf '%s: error: %s\n' "$program" "$*" >&2
	exit 1
}
usage_error() {
	printf '%s: error: %s\nTry "%s --help".\n' "$program" "$*" "$0" >&2
	exit 2
}

# The text of --help is the comment block at the top of each tool, between "# Usage" and the code.
show_help() {
	sed -n '/^# Usage/,/^[^#]/{ /^#/s/^# \{0,1\}//p }' "$0"
	exit 0
}

need_value() { # OPTION COUNT
	[ "$2" -ge 2 ] || usage_error "$1 needs a value"
}

need_root() {
	[ "$(id -u)" = 0 ] || die "this needs root: it makes device nodes and enters a chroot"
}

need_programs() { # PROGRAM...
	local name missing=()
	for name in "$@"; do
		command -v "$name" >/dev/null || missing+=("$name")
	done
	[ ${#missing[@]} -eq 0 ] ||
		die "not installed: ${missing[*]}; run \"$image_tools/packages image\" first"
}

# Commands to run at exit, last one first.
cleanup_commands=()
at_exit() { cleanup_commands+=("$*"); }
run_cleanup() {
	local i
	for ((i = ${#cleanup_commands[@]} - 1; i >= 0; i--)); do
		eval "${cleanup_commands[i]}" || true
	done
	cleanup_commands=()
}
trap run_cleanup EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

# A scratch folder that goes away with this process. Sets the variable that is named.
make_scratch() { # VARIABLE
	local -n scratch_ref=$1
	scratch_ref=$(mktemp -d "${TMPDIR:-/tmp}/cvmroot-$program.XXXXXX")
	at_exit "rm -rf --one-file-system -- $(printf %q "$scratch_ref")"
}

# Run a command in a tree, in mount and process namespaces of its own: whatever it leaves behind,
# mounted or running, ends with it. $IN_TREE_BIND is seen as /run/out, $IN_TREE_NETWORK gives it
# names.
in_tree() { # TREE COMMAND...
	local tree=$1
	shift
	# shellcheck disable=SC2016  # expanded by the inner shell
	unshare --mount --pid --fork --kill-child --propagation private -- bash -euc '
		tree=$1; shift
		mount -t proc proc "$tree/proc"
		mount --rbind /sys "$tree/sys"
		mount --rbind /dev "$tree/dev"
		mount -t tmpfs -o mode=1777 tmpfs "$tree/tmp"
		mount -t tmpfs -o mode=755 tmpfs "$tree/run"
		if [ -n "${IN_TREE_NETWORK:-}" ]; then
			mkdir -p "$tree/run/systemd/resolve"
			cp -L /etc/resolv.conf "$tree/run/systemd/resolve/stub-resolv.conf"
			cp -L /etc/resolv.conf "$tree/run/systemd/resolve/resolv.conf"
			[ ! -f "$tree/etc/resolv.conf" ] || [ -L "$tree/etc/resolv.conf" ] ||
				mount --bind /etc/resolv.conf "$tree/etc/resolv.conf"
		fi
		if [ -n "${IN_TREE_BIND:-}" ]; then
			mkdir -p "$tree/run/out"
			mount --bind "$IN_TREE_BIND" "$tree/run/out"
		fi
		exec env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C.UTF-8 HOME=/root \
			TMPDIR=/tmp INITRD=No DEBIAN_FRONTEND=noninteractive chroot "$tree" "$@"
	' bash "$tree" "$@"
}

# The kernel of a tree; exactly one is expected.
tree_kernel() { # TREE
	local found=()
	mapfile -t found < <(find "$1/usr/lib/modules" "$1/lib/modules" -mindepth 2 -maxdepth 2 \
		-name modules.dep -printf '%h\n' 2>/dev/null | sed 's|.*/||' | sort -uV)
	case ${#found[@]} in
	0) die "$1 holds no kernel: nothing below usr/lib/modules" ;;
	1) printf '%s\n' "${found[0]}" ;;
	*) die "$1 holds several kernels (${found[*]}); leave the one that shall boot" ;;
	esac
}

tree_kernel_image() { # TREE KERNEL
	local path
	for path in "$1/boot/vmlinuz-$2" "$1/usr/lib/modules/$2/vmlinuz"; do
		[ -f "$path" ] && printf '%s\n' "$path" && return 0
	done
	die "$1 holds no image of its kernel $2"
}

# Packages of a root tree. Minimal, but what a cloud image would call a system: it boots to login.
suite_packages() { # SUITE
	local common=(
		linux-image-cloud-amd64 systemd systemd-sysv udev dbus kmod zstd login passwd
		dracut dmsetup cryptsetup-bin e2fsprogs systemd-boot-efi
		libcryptsetup12 libdevmapper1.02.1 libjansson4 libfdisk1 libblkid1 libuuid1
		libtss2-esys-3.0.2-0 libgcc-s1 libjose0
	)
	case $1 in
	trixie)
		printf '%s\n' systemd-cryptsetup \
			"${common[@]/%libtss2-esys-3.0.2-0/libtss2-esys-3.0.2-0t64}" \
			libtss2-mu-4.0.1-0t64 libtss2-rc0t64 libtss2-tcti-device0t64 \
			libext2fs2t64 libssl3t64 libcurl4t64
		;;
	bookworm)
		printf '%s\n' "${common[@]}" \
			libtss2-mu0 libtss2-rc0 libtss2-tcti-device0 libext2fs2 libssl3 libcurl4
		;;
	*) die "unknown suite $1: trixie and bookworm are known" ;;
	esac
}

# This machine's name in the EFI world, and the type of its root partition (UAPI.2).
efi_name() {
	case $(uname -m) in
	x86_64) echo x64 ;;
	aarch64) echo aa64 ;;
	*) die "images for $(uname -m) are not made yet" ;;
	esac
}
root_type() {
	case $(uname -m) in
	x86_64) echo 4F68BCE3-E8CD-4DB1-96E7-FBCAF984B709 ;;
	aarch64) echo B921B045-1DF0-41C3-AF44-4C6F280D3FAE ;;
	*) die "images for $(uname -m) are not made yet" ;;
	esac
}
export esp_type=C12A7328-F81F-11D2-BA4B-00A0C93EC93B

# The program in a build folder, which runs on this machine.
built_program() { # BUILD
	local path
	for path in "$1/src/cli/cvmroot" "$1/src/cvmroot"; do
		[ -x "$path" ] && printf '%s\n' "$path" && return 0
	done
	die "$1 has no program: run \"meson setup $1 && ninja -C $1\" first"
}

# 1536M, 2G, ... in bytes.
parse_size() { # TEXT
	numfmt --from=iec -- "$1" 2>/dev/null || die "not a size: $1"
}
