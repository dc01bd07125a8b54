#!/bin/sh
# Boots a Debian kernel in QEMU, with nothing in it but the modules of a virtual HID
# device, busybox, fido2-token, ssh-keygen and one program, with the libraries that they
# need, and runs that program as root. Installs nothing; needs no root, KVM or network. Exits with
# 0 if the program did.
#
#   vm.sh KERNEL.deb PROGRAM [ARGUMENT…]
#
# KERNEL.deb is the package that linux-image-amd64 depends on, as apt-get download
# fetches it. Needs qemu-system-x86 busybox-static cpio xz-utils fido2-tools openssh-client.
set -eu
deb=$1 program=$2
shift 2
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
root=$work/root
mkdir -p "$root/bin" "$root/dev" "$root/proc" "$root/sys" "$root/tmp"

dpkg --fsys-tarfile "$deb" | tar -x -C "$work" --wildcards './boot/vmlinuz*' \
	'*/drivers/hid/hid.ko*' '*/drivers/hid/uhid.ko*' '*/drivers/hid/hid-generic.ko*'
for module in hid uhid hid-generic; do
	file=$(find "$work" -name "$module.ko*")
	case $file in
	*.xz) xz -dc "$file" ;;
	*) cat "$file" ;;
	esac >"$root/$module.ko"
done

cp "$(command -v busybox)" "$root/bin/busybox"
token=$(command -v fido2-token)
libraries() { ldd "$1" 2>/dev/null | awk '$2 == "=>" {print $3} $1 ~ /^\// {print $1}'; } # none, if it is static
tools="$token $(command -v ssh-keygen) /usr/lib/openssh/ssh-sk-helper"
for file in $tools $(for tool in $tools "$program"; do libraries "$tool"; done | sort -u); do
	mkdir -p "$root$(dirname "$file")"
	cp -L "$file" "$root$file"
done
cp "$program" "$root/program"
mkdir "$root/etc" "$root/root"
echo root::0:0:root:/root:/bin/sh >"$root/etc/passwd" # ssh-keygen wants to know who calls

# One argument a line, so that none is split or expanded on the way.
for argument; do printf '%s\n' "$argument"; done >"$root/arguments"
cat >"$root/init" <<'END'
#!/bin/busybox sh
/bin/busybox --install -s /bin
export PATH=/bin:/usr/bin:/usr/local/bin
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t devtmpfs dev /dev
mkdir -p /dev/pts
mount -t devpts -o ptmxmode=666 pts /dev/pts
for module in hid uhid hid-generic; do insmod /$module.ko || echo "cannot load $module"; done
set --
while IFS= read -r argument; do set -- "$@" "$argument"; done </arguments
/program "$@"
echo "VM exit status $?"
poweroff -f
END
chmod +x "$root/init"
(cd "$root" && find . | cpio -o -H newc --quiet | gzip -1) >"$work/initrd"

timeout "${LIMIT:-300}" qemu-system-x86_64 -accel tcg -m 512 -smp 1 -nic none \
	-kernel "$work"/boot/vmlinuz-* -initrd "$work/initrd" -append 'console=ttyS0 quiet panic=-1' \
	-display none -serial stdio -monitor none -no-reboot </dev/null | tr -d '\r' | tee "$work/console"
grep -qx 'VM exit status 0' "$work/console"
