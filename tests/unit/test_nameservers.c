/* SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception */
#include "unit.h"

#include "boot/nameservers.h"

/* Add the state of one link; the text of resolv.conf, which the caller frees. */
static char *resolv_conf(const char *state, size_t size, unsigned int index)
{
	struct nameservers servers = {};
	char *text;

	nameservers_add_link(&servers, state, size, index);
	assert_int_equal(nameservers_format(&servers, &text, &size), 0);
	assert_int_equal(size, strlen(text));
	return text;
}

static void assert_servers(const char *state, const char *expected)
{
	cleanup(freep) char *text = resolv_conf(state, strlen(state), 7);

	assert_string_equal(text, expected);
}

#define OPTIONS "options timeout:2 attempts:2\n"

static void takes_addresses(void **state)
{
	(void)state;
	assert_servers("# This is private data. Do not parse.\n"
		       "ADMIN_STATE=configured\n"
		       "NETWORK_FILE_DROPINS=\"\"\n"
		       "DNS=10.0.2.3 fec0::3\n"
		       "NTP=10.0.2.4\n"
		       "DOMAINS=example.com\n",
		       "nameserver 10.0.2.3\nnameserver fec0::3\n" OPTIONS);
	assert_servers("DNS=192.0.2.1", "nameserver 192.0.2.1\n" OPTIONS);
}

static void none_is_an_empty_file(void **state)
{
	(void)state;
	assert_servers("", "");
	assert_servers("DNS=\nLLMNR=no\n", "");
	assert_servers("FALLBACK_DNS=10.0.2.3\nXDNS=10.0.2.3\n DNS=10.0.2.3\n", "");
}

/* A router that announces itself as name server does so with an address of the link. */
static void names_the_link(void **state)
{
	(void)state;
	assert_servers("DNS=fe80::1\n", "nameserver fe80::1%7\n" OPTIONS);
	assert_servers("DNS=fe80::1%enp0s2\n", "nameserver fe80::1%7\n" OPTIONS);
	assert_servers("DNS=2001:db8::1%enp0s2#dns.example\n", "nameserver 2001:db8::1\n" OPTIONS);
}

static void passes_over_what_it_cannot_write(void **state)
{
	static const char with_nul[] = "DNS=10.0.2.3\0junk 10.0.2.4\n";
	cleanup(freep) char *text = resolv_conf(with_nul, sizeof(with_nul) - 1, 2);

	(void)state;
	assert_string_equal(text, "nameserver 10.0.2.4\n" OPTIONS);
	assert_servers("DNS=10.0.2.3:5353 [2001:db8::1]:53 300.1.1.1 name 10.0.2.4\n",
		       "nameserver 10.0.2.4\n" OPTIONS);
	assert_servers("DNS=10.0.2.3\tnameserver 10.0.2.4\roptions\n", "");
	assert_servers("DNS=11111111111111111111111111111111111111111111111111111111111111111111\n",
		       "");
}

static void takes_each_once_and_three_at_most(void **state)
{
	(void)state;
	assert_servers(
		"DNS=10.0.0.1 10.0.0.1 2001:db8:0::1 2001:db8::1\nDNS=10.0.0.2 10.0.0.3\n",
		"nameserver 10.0.0.1\nnameserver 2001:db8::1\nnameserver 10.0.0.2\n" OPTIONS);
}

static void joins_links(void **state)
{
	struct nameservers servers = {};
	cleanup(freep) char *text = NULL;
	size_t size;

	(void)state;
	nameservers_add_link(&servers, "DNS=fe80::1\n", 12, 2);
	nameservers_add_link(&servers, "DNS=fe80::1\n", 12, UINT32_MAX);
	assert_int_equal(nameservers_format(&servers, &text, &size), 0);
	assert_string_equal(text, "nameserver fe80::1%2\nnameserver fe80::1%4294967295\n" OPTIONS);
}

/* The longest that may be written still has its end. */
static void holds_the_longest(void **state)
{
	(void)state;
	assert_servers("DNS=fe80:1111:2222:3333:4444:5555:6666:7777%enp0s2#a.b\n",
		       "nameserver fe80:1111:2222:3333:4444:5555:6666:7777%7\n" OPTIONS);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(takes_addresses),
		cmocka_unit_test(none_is_an_empty_file),
		cmocka_unit_test(names_the_link),
		cmocka_unit_test(passes_over_what_it_cannot_write),
		cmocka_unit_test(takes_each_once_and_three_at_most),
		cmocka_unit_test(joins_links),
		cmocka_unit_test(holds_the_longest),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
