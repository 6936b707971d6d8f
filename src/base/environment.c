/* SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception */
#include "base/environment.h"

#include "base/macro.h"

#include <string.h>

/*
 * Words of the kernel's command line become environment variables of the initrd's services. One
 * text, for a table of pointers is larger than the names.
 */
static const char forgotten[] =
	/* libcurl: TLS secrets in a file; which TLS library; proxies */
	"SSLKEYLOGFILE\0"
	"CURL_SSL_BACKEND\0"
	"http_proxy\0"
	"https_proxy\0"
	"HTTPS_PROXY\0"
	"all_proxy\0"
	"ALL_PROXY\0"
	"no_proxy\0"
	"NO_PROXY\0"
	/* OpenSSL: configuration, code to load, CAs */
	"OPENSSL_CONF\0"
	"OPENSSL_CONF_INCLUDE\0"
	"OPENSSL_ENGINES\0"
	"OPENSSL_MODULES\0"
	"SSL_CERT_FILE\0"
	"SSL_CERT_DIR\0"
	"CTLOG_FILE\0"
	"RANDFILE\0"
	/* glibc's resolver */
	"RES_OPTIONS\0"
	"LOCALDOMAIN\0"
	"HOSTALIASES\0";

void environment_forget(void)
{
	for (const char *name = forgotten; *name != '\0'; name += strlen(name) + 1)
		(void)unsetenv(name);
}
