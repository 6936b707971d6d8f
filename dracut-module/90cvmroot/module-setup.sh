#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception
# cvmroot in the initrd: the program, its configuration and manifest, drivers, units, and no shell.
# Works with dracut 059 and with dracut-ng; other modules are named, never numbered.
# The variables are dracut's.
# shellcheck disable=SC2154

# Everything that would put a prompt on the console, or that acts on what the disk or the host says.
cvmroot_masked_units=(
    debug-shell.service console-shell.service console-getty.service getty@.service
    serial-getty@.service container-getty@.service autovt@.service
    systemd-ask-password-console.service systemd-ask-password-console.path
    systemd-ask-password-plymouth.service systemd-ask-password-plymouth.path
    systemd-hibernate-resume.service systemd-hibernate-resume@.service
    systemd-volatile-root.service
    systemd-sysext.service systemd-sysext-initrd.service systemd-sysext.socket
    systemd-confext.service systemd-confext-initrd.service
    systemd-factory-reset-request.service systemd-factory-reset-complete.service
)

# Shells of last resort: the boot ends there instead.
cvmroot_replaced_units=(emergency.service rescue.service dracut-emergency.service)

# Generators turn the command line, credentials and partition tables into units: mounts beside our
# root, a shell, a resume image. What the boot needs is in units of ours.
cvmroot_masked_generators=(
    dracut-rootfs-generator
    systemd-bless-boot-generator systemd-cryptsetup-generator systemd-debug-generator
    systemd-factory-reset-generator systemd-fstab-generator systemd-getty-generator
    systemd-gpt-auto-generator systemd-hibernate-resume-generator systemd-import-generator
    systemd-integritysetup-generator systemd-rc-local-generator systemd-run-generator
    systemd-ssh-generator systemd-system-update-generator systemd-sysv-generator
    systemd-veritysetup-generator
)

# Hosts that run confidential VMs, and the usual ones for trying an image. The disk's own driver is
# not known when the image is made elsewhere, so all of them go in.
cvmroot_drivers=(
    tpm tpm_crb tpm_tis tpm_tis_spi tpm_svsm tpm_ftpm_tee tpm_ibmvtpm
    configfs tdx_guest sev-guest sev_guest tsm tsm_report tsm-mr efi_secret arm-cca-guest uvdevice
    dm_mod dm_crypt
    xts ecb cbc aes aes_generic aesni_intel aes_ce_blk aes_neon_blk vaes_avx10_512 sha256 sha512
    sha256_generic sha512_generic sha256_ssse3 sha512_ssse3 sha256_ce sha512_ce hmac essiv authenc
    aes_s390 sha256_s390 sha512_s390
    virtio_pci virtio_ccw virtio_mmio virtio_blk virtio_scsi nvme nvme_core nvme_tcp
    sd_mod sr_mod ahci ata_piix mptspi mptsas mpt3sas vmw_pvscsi
    hv_vmbus hv_storvsc pci_hyperv pci-hyperv xen_blkfront xen_scsifront ibmvscsi dasd_eckd_mod
    dasd_fba_mod zfcp scsi_dh_alua
    ext4 xfs btrfs vfat crc32c crc32c_generic crc32c_intel libcrc32c xxhash_generic blake2b_generic
    efivarfs autofs4 virtio_rng
)

# For a key broker. In a cloud the virtual function of a card may be what carries the traffic; the
# one of ConnectX cards (mlx5_core) weighs more than all others together, and Azure has hv_netvsc
# beside it. QEMU hands over an initdata document by fw_cfg.
cvmroot_broker_drivers=(
    virtio_net hv_netvsc mana gve ena vmxnet3 xen-netfront ibmveth qeth_l2
    e1000 e1000e igb igbvf ixgbe ixgbevf iavf af_packet
    qemu_fw_cfg
)

# called by dracut
check() {
    require_binaries cvmroot dmsetup || return 1
    # It turns a disk inside out: only when asked for by name.
    return 255
}

# called by dracut
depends() {
    local module
    # Not "dm": its hooks bring a shell.
    echo systemd systemd-initrd udev-rules
    # Separate in dracut-ng, part of "systemd" before.
    for module in systemd-udevd systemd-journald systemd-modules-load systemd-tmpfiles \
        systemd-sysctl; do
        [[ -n $(cvmroot_module_dir "$module") ]] && echo "$module"
    done
    return 0
}

cvmroot_module_dir() {
    local dir
    for dir in "$dracutbasedir"/modules.d/??"$1"; do
        [[ -d $dir ]] && echo "$dir"
    done
    return 0
}

# called by dracut
installkernel() {
    hostonly='' instmods "${cvmroot_drivers[@]}"
    if cvmroot_wants_network; then
        hostonly='' instmods "${cvmroot_broker_drivers[@]}"
    fi
}

# cvmroot_network=yes|no in dracut's configuration decides; else the configuration that goes into
# the initrd does, as the program itself reads it.
cvmroot_wants_network() {
    local config="${dracutsysrootdir-}/etc/cvmroot/cvmroot.toml"
    case ${cvmroot_network-auto} in
    yes) return 0 ;;
    no) return 1 ;;
    esac
    [[ -e $config ]] && cvmroot check-config --needs-network "$config" > /dev/null 2>&1
}

# As for the network, with cvmroot_grow. What an initdata document says is known at the boot only.
cvmroot_wants_grow() {
    local config="${dracutsysrootdir-}/etc/cvmroot/cvmroot.toml"
    case ${cvmroot_grow-auto} in
    yes) return 0 ;;
    no) return 1 ;;
    esac
    [[ ! -e $config ]] ||
        cvmroot check-config --show "$config" 2> /dev/null | grep -qE '^(grow = true|path = )'
}

# A configuration that is not here yet may be appended later, and ask for a broker.
cvmroot_forbids_network() {
    [[ ${cvmroot_network-auto} == no || -e "${dracutsysrootdir-}/etc/cvmroot/cvmroot.toml" ]]
}

# called by dracut
install() {
    cvmroot_install_program
    cvmroot_install_configuration
    cvmroot_install_units
    cvmroot_install_pcrphase
    cvmroot_install_fsck
    cvmroot_install_udev
    cvmroot_install_masks
    cvmroot_install_credentials
    if cvmroot_wants_network; then
        inst_simple "$moddir/initdata.conf" /etc/modules-load.d/cvmroot-initdata.conf
        cvmroot_install_network
    elif cvmroot_forbids_network; then
        inst_simple "$moddir/no-network.conf" \
            /etc/systemd/system/cvmroot-boot.service.d/90-cvmroot.conf
    fi
    # Only "base" would write it, which comes with a shell.
    [[ -e $initdir/etc/initrd-release ]] || echo "NAME=cvmroot" > "$initdir/etc/initrd-release"
    grep -qs '^root:' "$initdir/etc/passwd" ||
        echo "root:x:0:0::/root:/usr/sbin/nologin" >> "$initdir/etc/passwd"
}

cvmroot_install_program() {
    local _arch=${DRACUT_ARCH:-$(uname -m)}
    inst_binary "$(find_binary cvmroot)" /usr/bin/cvmroot
    # Opened at run time, where no library list names them: the thread library's unwinder, what
    # later versions of systemd filter system calls with, and what systemd-pcrextend loads.
    inst_libdir_file \
        {"tls/$_arch/",tls/,"$_arch/",}"libgcc_s.so.1" \
        {"tls/$_arch/",tls/,"$_arch/",}"libseccomp.so.*" \
        {"tls/$_arch/",tls/,"$_arch/",}"libtss2-esys.so.*" \
        {"tls/$_arch/",tls/,"$_arch/",}"libtss2-sys.so.*" \
        {"tls/$_arch/",tls/,"$_arch/",}"libtss2-mu.so.*" \
        {"tls/$_arch/",tls/,"$_arch/",}"libtss2-rc.so.*" \
        {"tls/$_arch/",tls/,"$_arch/",}"libtss2-tcti-device.so.*"
    if cvmroot_wants_network || ! cvmroot_forbids_network; then
        cvmroot_install_library libcurl.so.4 "for a key broker"
    fi
    if cvmroot_wants_grow; then
        cvmroot_install_library libfdisk.so.1 "to grow the root partition"
    fi
}

# One that the program opens when it needs it, and what that one needs: dracut looks for needs of
# executable files only, as libraries are not everywhere.
cvmroot_install_library() {
    local dir path needs
    # A list of words, as dracut has it.
    # shellcheck disable=SC2086
    for dir in $libdirs; do
        path=$dir/$1
        [[ -e ${dracutsysrootdir-}$path ]] || continue
        mapfile -t needs < <(${DRACUT_LDD:-ldd} "${dracutsysrootdir-}$path" |
            awk '$2 == "=>" && $3 ~ "^/" { print $3 }')
        inst_multiple "$path" "${needs[@]}"
        return 0
    done
    dfatal "cvmroot: $1 is needed $2, and is not installed here"
    exit 1
}

cvmroot_install_configuration() {
    inst_multiple -o \
        /etc/cvmroot/cvmroot.toml \
        /etc/cvmroot/root.manifest \
        /etc/cvmroot/tpm2-pcr-public-key.pem \
        /etc/cvmroot/kbs-ca.pem /etc/cvmroot/kbs-client.pem /etc/cvmroot/kbs-client.key
    # sd-stub leaves the signed PCR policy of a UKI in /.extra; this rule hands it to the system.
    inst_multiple -o "${tmpfilesdir:-/usr/lib/tmpfiles.d}"/20-systemd-stub.conf
}

cvmroot_install_units() {
    local etc="$initdir/etc/systemd/system" unit
    inst_multiple \
        "$systemdsystemunitdir"/cvmroot-boot.service \
        "$systemdsystemunitdir"/cvmroot-fail.service
    inst_multiple -o \
        "$systemdsystemunitdir"/systemd-fsck@.service \
        "$systemdsystemunitdir"/blockdev@.target

    inst_simple "$moddir/sysroot.mount" /etc/systemd/system/sysroot.mount
    for unit in sys-kernel-config.mount cvmroot-efivars.service; do
        inst_simple "$moddir/$unit" "/etc/systemd/system/$unit"
    done
    inst_simple "$moddir/switch-root.conf" \
        /etc/systemd/system/initrd-switch-root.service.d/90-cvmroot.conf
    # Sorted behind what generators write, and what the distribution has.
    inst_simple "$moddir/dev-mapper-timeout.conf" \
        /etc/systemd/system/dev-mapper-root.device.d/zz-cvmroot.conf
    inst_simple "$moddir/root-device.conf" \
        /etc/systemd/system/initrd-root-device.target.d/90-cvmroot.conf
    inst_simple "$moddir/modules-load.conf" /etc/modules-load.d/cvmroot.conf
    inst_simple "$moddir/sysctl.conf" /etc/sysctl.d/zz-cvmroot.conf
    inst_simple "$moddir/system.conf" /etc/systemd/system.conf.d/zz-cvmroot.conf
    # CrashReboot= is the older name; the newer one is not known before 256.
    if grep -qs CrashAction "${dracutsysrootdir-}$systemdutildir/systemd"; then
        echo "CrashAction=reboot" >> "$initdir/etc/systemd/system.conf.d/zz-cvmroot.conf"
    fi

    for unit in initrd-root-device.target initrd-root-fs.target; do
        mkdir -p "$etc/$unit.requires"
        ln -sf "$systemdsystemunitdir/cvmroot-boot.service" "$etc/$unit.requires/"
    done
    ln -sf ../sysroot.mount "$etc/initrd-root-fs.target.requires/sysroot.mount"
    # Without "dracut-systemd" nobody has chosen the target yet.
    ln -sf "$systemdsystemunitdir/initrd.target" "$etc/default.target"
}

# Not through dracut's module of that name: 059 makes it depend on tpm2-tss and all of tpm2-tools.
cvmroot_install_pcrphase() {
    inst_multiple -o \
        "$systemdutildir"/systemd-pcrphase \
        "$systemdutildir"/systemd-pcrextend \
        "$systemdsystemunitdir"/tpm2.target \
        "$systemdsystemunitdir"/systemd-pcrphase-initrd.service \
        "$systemdsystemunitdir"/initrd.target.wants/systemd-pcrphase-initrd.service
    inst_simple "$moddir/after-modules.conf" \
        /etc/systemd/system/systemd-pcrphase-initrd.service.d/90-cvmroot.conf
}

# Only checkers that are programs: those of XFS and btrfs are shell scripts that do nothing.
cvmroot_install_fsck() {
    inst_multiple -o "$systemdutildir"/systemd-fsck fsck e2fsck fsck.ext4
}

# Debian names the rules of device-mapper otherwise than upstream; what is absent is passed over.
cvmroot_install_udev() {
    inst_multiple dmsetup
    inst_rules 10-dm.rules 13-dm-disk.rules 55-dm.rules 60-persistent-storage-dm.rules \
        95-dm-notify.rules
    inst_simple "$moddir/11-cvmroot.rules" /etc/udev/rules.d/11-cvmroot.rules
    inst_simple "$moddir/99-cvmroot.rules" /etc/udev/rules.d/99-cvmroot.rules
}

# systemd-networkd by itself: dracut's module of that name comes with shell hooks, and is a package
# of its own. dracut's NetworkManager, where it was asked for, does the work instead.
cvmroot_install_network() {
    local etc="$initdir/etc" unit
    if dracut_module_included network-manager; then
        return 0
    fi
    if [[ ! -x ${dracutsysrootdir-}$systemdutildir/systemd-networkd ]]; then
        dfatal "cvmroot: a key broker needs the network, and there is no systemd-networkd here"
        exit 1
    fi
    inst_multiple \
        "$systemdutildir"/systemd-networkd \
        "$systemdutildir"/systemd-network-generator \
        "$systemdsystemunitdir"/systemd-networkd.service \
        "$systemdsystemunitdir"/systemd-network-generator.service \
        "$systemdsystemunitdir"/network-pre.target \
        "$systemdsystemunitdir"/network.target \
        "$systemdsystemunitdir"/cvmroot-nameservers.service \
        "$systemdutildir"/network/99-default.link
    # Names that the booted system cannot give any more, once the link is up.
    inst_multiple -o "${dracutsysrootdir-}"/etc/systemd/network/*.link
    inst_simple "$moddir/99-cvmroot.network" "$systemdutildir/network/99-cvmroot.network"
    inst_simple "$moddir/networkd.conf" \
        /etc/systemd/system/systemd-networkd.service.d/90-cvmroot.conf
    # Not by our own unit, see there.
    mkdir -p "$etc/systemd/system/initrd.target.wants"
    for unit in systemd-networkd.service systemd-network-generator.service \
        cvmroot-nameservers.service; do
        ln -sf "$systemdsystemunitdir/$unit" "$etc/systemd/system/initrd.target.wants/"
    done
    for unit in passwd group; do
        grep -qs '^systemd-network:' "$etc/$unit" ||
            grep '^systemd-network:' "${dracutsysrootdir-}/etc/$unit" >> "$etc/$unit"
    done
    echo "hosts: files dns" > "$etc/nsswitch.conf"
    echo "127.0.0.1 localhost" > "$etc/hosts"
    : > "$etc/resolv.conf"
}

# For every service, whoever brings it: with a credential of the host, systemd-tmpfiles would write
# any file, our configuration too. systemd before 254 complains of the word ImportCredential=.
cvmroot_install_credentials() {
    local dropins="$initdir/etc/systemd/system/service.d"
    mkdir -p "$dropins"
    if grep -qs '^ImportCredential=' "${dracutsysrootdir-}$systemdsystemunitdir"/*.service; then
        cat "$moddir/no-credentials.conf" > "$dropins/91-cvmroot.conf"
    else
        grep -v '^ImportCredential=' "$moddir/no-credentials.conf" > "$dropins/91-cvmroot.conf"
    fi
}

cvmroot_install_masks() {
    local etc="$initdir/etc/systemd" name
    # dracut enables this one itself, and would complain of a mask.
    inst_simple "$moddir/never.conf" \
        /etc/systemd/system/dracut-cmdline-ask.service.d/90-cvmroot.conf
    mkdir -p "$etc/system" "$etc/system-generators"
    for name in "${cvmroot_masked_units[@]}"; do
        ln -sf /dev/null "$etc/system/$name"
    done
    for name in "${cvmroot_replaced_units[@]}"; do
        # A copy: one unit under several names would be in conflict with itself, since
        # sysinit.target excludes emergency.service and rescue.target needs both.
        rm -f "$etc/system/$name"
        # With its time: dracut links files that are the same in all, and should do so each time.
        cp -p "$dracutsysrootdir$systemdsystemunitdir/cvmroot-fail.service" "$etc/system/$name"
    done
    for name in "${cvmroot_masked_generators[@]}"; do
        ln -sf /dev/null "$etc/system-generators/$name"
    done
}
