/* SPDX-License-Identifier: GPL-2.0-or-later WITH cryptsetup-OpenSSL-exception */
#include "base/library.h"

#include "base/error.h"
#include "base/log.h"

#include <dlfcn.h>
#include <string.h>

static int missing(const char *soname, const char *purpose)
{
	log_debug("%s", dlerror());
	return fail(-ENOPKG,
		    "%s, which is needed %s, cannot be loaded; install it, and into the "
		    "initrd as well",
		    soname, purpose);
}

int library_load(const char *soname, const char *purpose, const struct library_symbol *symbols,
		 size_t count)
{
	void *library = dlopen(soname, RTLD_NOW | RTLD_NODELETE);

	if (!library)
		return missing(soname, purpose);
	for (size_t i = 0; i < count; i++) {
		void *address = dlsym(library, symbols[i].name);

		if (!address) {
			dlclose(library);
			return missing(soname, purpose);
		}
		/* C knows no conversion between pointers to data and to functions. */
		/* analyze: -Wanalyzer-use-of-uninitialized-value: dlsym() set it a moment ago */
		memcpy(symbols[i].pointer, &address, sizeof(address));
	}
	/* RTLD_NODELETE: this only gives the handle back. */
	dlclose(library);
	return 0;
}
