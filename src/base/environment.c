/* SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception */
#include "base/environment.h"

#include "base/macro.h"

/* Words of the kernel's command line become environment variables of the initrd's services. */
static const char *const forgotten[] = {
	/* libcurl: TLS secrets in a file; which TLS library; proxies; logins */
	"SSLKEYLOGFILE",
	"CURL_SSL_BACKEND",
	"http_proxy",
	"https_proxy",
	"HTTPS_PROXY",
	"all_proxy",
	"ALL_PROXY",
	"no_proxy",
	"NO_PROXY",
	"NETRC",
	"CURL_HOME",
	/* OpenSSL: configuration, code to load, CAs */
	"OPENSSL_CONF",
	"OPENSSL_CONF_INCLUDE",
	"OPENSSL_ENGINES",
	"OPENSSL_MODULES",
	"OPENSSL_TRACE",
	"SSL_CERT_FILE",
	"SSL_CERT_DIR",
	"CTLOG_FILE",
	"RANDFILE",
	"QLOGDIR",
	/* glibc's resolver */
	"RES_OPTIONS",
	"LOCALDOMAIN",
	"HOSTALIASES",
};

void environment_forget(void)
{
	for (size_t i = 0; i < ARRAY_SIZE(forgotten); i++)
		(void)unsetenv(forgotten[i]);
}
