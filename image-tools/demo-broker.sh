# SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception
# The key broker of the demo: the reference broker of the tests, or the user's own. Sourced by demo.
# shellcheck shell=bash
# Variables of demo:
# shellcheck disable=SC2154

resource=default/luks/demo

# Trustee runs in production; this one gives everything to who asks its administration.
start_reference_broker() {
	local folder=$work/broker broker=(/usr/bin/python3 "$source_root/tests/broker") line port=''
	mkdir "$folder"
	"${broker[@]}" make-pki "$folder/pki"
	head -c 32 /dev/urandom >"$folder/secret"
	set_policy true
	exec {broker_words}< <(exec "${broker[@]}" serve --listen 127.0.0.1:0 \
		--certificate "$folder/pki/server.pem" --key "$folder/pki/server.key" \
		--policy "$folder/policy.json" --log "$folder/log.jsonl" \
		--resource "$resource=$folder/secret" 2>&1 >/dev/null)
	at_exit "kill $! 2>/dev/null"
	# It says so when it listens.
	while [ -z "$port" ] && read -r -t 60 -u "$broker_words" line; do
		case $line in "listening on port "*) port=${line##* } ;; esac
	done
	[ -n "$port" ] || die "the reference broker did not start: ${line:-it said nothing}"
	broker_url=https://10.0.2.2:$port
	broker_ca=$folder/pki/ca.pem
	tell "the reference broker of the tests is at $broker_url for the guest"
}

# The vTPM's attestation key is made at the first boot; the broker trusts the first that it sees.
set_policy() { # ALLOW
	printf '{"allow": %s, "tpm": {"trusted_aks": "first"}}\n' "$1" \
		>"$work/broker/policy.json.new"
	mv "$work/broker/policy.json.new" "$work/broker/policy.json"
}

# Brokers differ in who may set resources; one that is there already is as good.
prepare_own_broker() {
	local address=${kbs_url#https://}
	broker_url=$kbs_url broker_ca=$kbs_ca
	need_programs curl
	head -c 32 /dev/urandom >"$work/secret"
	case $address in *:*) ;; *) address=$address:443 ;; esac
	if curl --silent --fail --max-time 30 --cacert "$kbs_ca" \
		--connect-to "10.0.2.2:${address##*:}:127.0.0.1:${address##*:}" \
		--data-binary "@$work/secret" --header 'Content-Type: application/octet-stream' \
		"$kbs_url/kbs/v0/resource/$resource"; then
		tell "the broker at $kbs_url has taken a new secret as kbs:///$resource"
	else
		tell "the broker at $kbs_url does not let us set kbs:///$resource:" \
			"it has to be there already"
	fi
	rm -f "$work/secret"
	tell "its policy has to accept TEE \"tpm\" with a new attestation key"
}

prepare_broker() {
	if [ -n "$kbs_url" ]; then prepare_own_broker; else start_reference_broker; fi
}

write_config() {
	cat <<-EOT
		[root]
		grow = true

		[keys]
		providers = ["kbs"]

		[tee]
		platform = "tpm"
		create-ak = true

		[kbs]
		url = "$broker_url"
		ca = '''
		$(cat "$broker_ca")
		'''
		resource = "kbs:///$resource"
		deadline-seconds = 300
	EOT
}

# The booted system has its own network, which takes over from the initrd's.
add_network() { # TREE
	: >"$1/usr/lib/demo/network"
	printf '[Match]\nType=ether\n[Network]\nDHCP=yes\n' >"$1/etc/systemd/network/demo.network"
	in_tree "$1" systemctl --quiet enable systemd-networkd.service
}

attestations() {
	grep -c '"event": *"attest".*"result": *"ok"' "$work/broker/log.jsonl" || true
}

tell_broker() {
	local count
	count=$(attestations)
	[ "$count" = 2 ] || die "the broker's log has $count attestations that it accepted, not 2"
	tell "the broker's log has two attestations that it accepted:"
	sed 's/^/   broker: /' "$work/broker/log.jsonl"
}

boot_refused() { # NUMBER
	local log=$work/console$1.log status=0
	set_policy false
	start_machine "$log" || status=$?
	tell_console "$log"
	if [ "$status" -ne 0 ] || [ -n "$(console_line "$log" uptime)" ]; then
		tr -d '\r' <"$log" | tail -n 40 >&2
		die "boot $1 should have ended in the initrd; its console is above"
	fi
	grep -aqE '^cvmroot: .*PolicyDeny' "$log" ||
		die "the console of boot $1 does not tell the broker's reason"
	tell "the machine is off, and nothing was decrypted"
}
